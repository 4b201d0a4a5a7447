"""What a task of a cluster does with one file: tell what it is, and read its rows."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from mm.edx.far import FarPath, Storage
from mm.edx.file import Report, refusing
from mm.edx.identify import identify
from mm.edx.records import read_rows

# part, report_kind, line, line_count, cells, reason, raw_text: as load_spark.py has them.
Said = tuple[str, str, int | None, int | None, list[str | None] | None, str | None, str | None]


def read_file(path: str, name: str, content: bytes | None) -> Iterator[Said]:
    """Give a file's rows, those of the wrong width, and at last what became of it (see `take_over`).

    content: what is at a URL; None: path leads to the file here.
    """
    far = (
        FarPath(path, Storage({path: (len(content), 0)}, lambda _: content)) if content is not None else None
    )
    report = Report(far or Path(path), name, 0, 0)
    row_count = None
    with refusing(report):
        identify(report)
        if report.is_readable:
            row_count = 0
            for record, cells, reason in read_rows(report):
                row_count += 1
                if reason is None:
                    yield "row", report.kind, record.line, record.line_count, cells, None, None
                else:
                    yield (
                        "damaged",
                        report.kind,
                        record.line,
                        record.line_count,
                        None,
                        reason,
                        record.raw_text,
                    )
    facts = [
        report.course_instance,
        report.reported_at.isoformat() if report.reported_at else None,
        report.ignored,
        "gone" if report.is_gone else None,
        _digest(report) if row_count is not None and report.reported_at else None,
    ]
    yield "verdict", report.kind, None if report.refused else row_count, None, facts, report.refused, None


def take_over(report: Report, kind: str, row_count: int | None, facts: list[str], refused: str) -> str | None:
    """Note in a report what a task's last row says of it; return the digest of its content."""
    report.kind, report.row_count, report.refused = kind, row_count, refused
    report.course_instance, reported_at, report.ignored, gone, digest = facts
    report.reported_at = datetime.fromisoformat(reported_at) if reported_at else None
    report.is_gone = gone is not None
    return digest


def _digest(report: Report) -> str | None:
    with refusing(report), report.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None
