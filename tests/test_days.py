"""Which day it still is somewhere, and what text is a day."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from mm.days import day_of, end_of, read_day

JULY_14 = date(2026, 7, 14)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 7, 14, 11, 59, 59, tzinfo=UTC), date(2026, 7, 13)),
        (datetime(2026, 7, 14, 12, tzinfo=UTC), JULY_14),
        # in UTC-12 it is 23:59:59 then, and in Brisbane long the 15th
        (datetime(2026, 7, 15, 11, 59, 59, tzinfo=UTC), JULY_14),
        (datetime(2026, 7, 15, 21, 59, 59, tzinfo=timezone(timedelta(hours=10))), JULY_14),
        (datetime(2026, 7, 15, 12, tzinfo=UTC), date(2026, 7, 15)),
        (datetime(2026, 7, 15, 22, tzinfo=timezone(timedelta(hours=10))), date(2026, 7, 15)),
    ],
)
def test_a_day_lasts_until_it_has_ended_everywhere(moment: datetime, day: date) -> None:
    assert day_of(moment) == day


def test_a_day_ends_at_noon_utc_of_the_next() -> None:
    assert end_of(JULY_14) == datetime(2026, 7, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "20260714", "2026-7-14", "2026-07-14 ", "14/07/2026", "2026-02-29", "2026-07-14T00:00", "today"],
)
def test_what_is_no_day_is_refused(text: str) -> None:
    assert read_day("2024-02-29") == date(2024, 2, 29)
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the caller's to write
        read_day(text)
