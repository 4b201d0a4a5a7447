"""How addresses and lists of people are read that somebody pasted or saved from a spreadsheet."""

import gzip
import re
from pathlib import Path

import pytest
from mail_fixtures import ADDRESS_CELLS, PROJECT, as_pasted

from mm.config import ReaderError
from mm.people.address_lists import OptOuts
from mm.people.addresses import MAIL_ADDRESS, read_address
from mm.people.not_learners import NotLearner, NotLearners

ADA = "ada.lee+bees@example.org"
NO_ADDRESS = "is not an address"
SEVERAL = "holds more than one address: give each a line of its own"
NOT_ASCII = "has letters that no mailed address has"
NOT_CERTAIN = "may stand for another address"
IN_DOUBT = {
    "": NO_ADDRESS,
    "ada": NO_ADDRESS,
    "ada(at)example.org": NO_ADDRESS,
    "ada@example": NO_ADDRESS,
    "ada@example..org": NO_ADDRESS,
    "ada@[192.0.2.1]": NO_ADDRESS,
    # a blank may stand for a letter or a dot
    "ada lee@example.org": NO_ADDRESS,
    "ada @example.org": NO_ADDRESS,
    "Ada ada@example.org": NO_ADDRESS,
    "Ada <ada@example.org": NO_ADDRESS,
    "<ada@example.org, Bo>": NO_ADDRESS,
    "&lt;ada@example.org&gt;": NO_ADDRESS,
    "https://www.example.org/unsubscribe?email=ada@example.org": NO_ADDRESS,
    "ada@example.org, bo@example.org": SEVERAL,
    "ada@example.org;bo@example.org": SEVERAL,
    "ada@example.org\u00a0bo@example.org": SEVERAL,
    "Ada <ada@example.org>, Bo <bo@example.org>": SEVERAL,
    "bo@example.org <ada@example.org>": SEVERAL,
    "mailto:ada@example.org,bo@example.org": SEVERAL,
    "mailto:ada@example.org?cc=bo%40example.org": SEVERAL,
    # what a program made of a letter, of something invisible, or of a quote
    "?ada@example.org": NOT_CERTAIN,
    "a?da@example.org": NOT_CERTAIN,
    "'ada@example.org": NOT_CERTAIN,
    "=ada@example.org": NOT_CERTAIN,
    "ada%2Bbees@example.org": NOT_CERTAIN,
    "\u00c2ada@example.org": NOT_ASCII,
    "ada@example.org\u00c2": NOT_ASCII,
    # letters that look like others, are wider or swap their order
    "\uff41da@example.org": NOT_ASCII,
    "ada\uff20example.org": NOT_ASCII,
    "\u0430da@example.org": NOT_ASCII,
    "ada@ex\u0430mple.org": NOT_ASCII,
    "ada@gma\u0131l.example": NOT_ASCII,
    "ada\u2011lee@example.org": NOT_ASCII,
    "\u202eada@example.org": NOT_ASCII,
    # one in the domain names of 2003, another since 2008
    "ada@stra\u00dfe.example": NOT_ASCII,
}


@pytest.mark.parametrize("cell", ADDRESS_CELLS, ids=ascii)
def test_an_address_is_read_from_what_is_around_it(cell: str) -> None:
    assert read_address(as_pasted(cell, ADA)).lower() == ADA


@pytest.mark.parametrize("cell", IN_DOUBT, ids=ascii)
def test_what_may_be_another_address_is_refused_without_naming_it(cell: str) -> None:
    with pytest.raises(ValueError, match=re.escape(IN_DOUBT[cell])) as caught:
        read_address(cell)
    assert "@" not in str(caught.value)


def test_what_is_refused_for_its_look_is_taken_at_its_word_between_brackets() -> None:
    assert read_address("<'ada@example.org>") == "'ada@example.org"
    assert read_address("<ada%2Bbees@example.org>") == "ada%2Bbees@example.org"


@pytest.mark.parametrize("domain", ["b\u00fccher.example", "Bu\u0308cher.example", "xn--bcher-kva.example"])
def test_an_accented_domain_is_read_in_its_ascii_form(domain: str) -> None:
    assert read_address(f"ada@{domain}") == "ada@xn--bcher-kva.example"


def test_what_can_be_mailed_is_the_same_in_sql_and_python() -> None:
    macros = (PROJECT / "macros" / "values.sql").read_text("utf-8")
    [pattern] = re.findall(r"'(\[A-Za-z0-9\.!.*)'$", macros, re.MULTILINE)
    assert pattern.replace("''", "'") == MAIL_ADDRESS.pattern


# ---- the files ----

HEADER = "email,unsubscribed_at,source\n"
ROW = f"{ADA},2026-01-01,form\n"
SAVE_ANEW = 'save it as "CSV UTF-8", separated by commas'
DAMAGED = {
    "empty": (b"", "line 1: its header has no column email, as it is empty"),
    "a blank line first": (f"\n{HEADER}{ROW}", "line 1: its header has no column email, as it is empty"),
    "semicolons": (
        (HEADER + ROW).replace(",", ";"),
        f"line 1: its header has no column email, as it is separated by semicolons: {SAVE_ANEW}",
    ),
    "tabs": ((HEADER + ROW).replace(",", "\t"), "as it is separated by tabs"),
    "sep": (
        "sep=;\n" + (HEADER + ROW).replace(",", ";"),
        "line 1: its header has no column email, as it is a",
    ),
    "sep with commas": (f"sep=,\n{HEADER}{ROW}", "a line for Excel alone: take it away"),
    "no header": (ROW, "as it is a line of the list already"),
    "a word for email": ("address\n", "line 1: its header has no column email;"),
    "two columns": (f"email,email\n{ADA},bo@example.org\n", "line 1: its header has two columns email"),
    "UTF-16 with a mark": ((HEADER + ROW).encode("utf-16"), f": it is UTF-16 text: {SAVE_ANEW}"),
    "UTF-16 of the other order": (("\ufeff" + HEADER).encode("utf-16-be"), ": it is UTF-16 text"),
    "UTF-16 without a mark": ((HEADER + ROW).encode("utf-16-le"), ": it is UTF-16 text"),
    "UTF-16 of the other order without a mark": ((HEADER + ROW).encode("utf-16-be"), ": it is UTF-16 text"),
    "NUL bytes": (f"{HEADER}{ROW}\0\0\0", "line 3: it has bytes that are no text"),
    "cp1252": (
        f"{HEADER}{ROW}{ROW[:-1]} caf\u00e9\n".encode("cp1252"),
        f"line 3: it is not UTF-8 text: {SAVE_ANEW}",
    ),
    "gzip": (gzip.compress(HEADER.encode()), ": it is gzip-compressed: unpack it;"),
    "workbook": (b"PK\x03\x04 xl/workbook.xml", ": it is a workbook or a ZIP archive, not a CSV file"),
    "old workbook": (b"\xd0\xcf\x11\xe0", ": it is an Excel workbook, not a CSV file"),
    "whole lines in quotes": (
        f'"{HEADER[:-1]}"\n"{ROW[:-1]}"\n',
        "line 1: its header has no column email, as the",
    ),
    "one line in quotes": (f'{HEADER}{ROW}"{ROW[:-1]}"\n', "line 3: the line as a whole is in quotes"),
    "an open quote": (f'{HEADER}{ADA},"form\n{ROW}', "its quotes do not match"),
    "a cell of two lines": (f'{HEADER}{ADA},"form\n{ADA},form"\n', "line 3: a cell spans several lines"),
    "a header of two lines": (
        f'email,"source\n{ADA},form"\n{ROW}',
        "a cell of its header spans several lines",
    ),
    "no email": (f"{HEADER}{ROW},2026-01-01,form\n", "line 3: its email is not an address"),
    "several in a cell": (
        f'{HEADER}"{ADA}, bo@example.org",,\n',
        "line 2: its email holds more than one address",
    ),
    "several in a line": (f"{HEADER}{ADA},bo@example.org\n", "line 2: it has more than one address"),
    "more than the header has": (f"email\n{ADA},bo@example.org\n", "line 2: it has more than one address"),
    "semicolons below": (f"{HEADER}{ADA};2026-01-01;form\n", "line 2: its email is not an address"),
}


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_list_that_cannot_be_read_for_certain_is_refused_with_its_cause(
    tmp_path: Path, damage: str
) -> None:
    content, says = DAMAGED[damage]
    path = written(tmp_path / "unsubscribed.csv", content)
    with pytest.raises(ReaderError) as caught:
        OptOuts(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert says in message
    assert message.endswith(
        "; expected a CSV with the columns email, unsubscribed_at, source. "
        "Nobody is mailed until it is repaired."
    )
    assert "@" not in message


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{HEADER}{ROW}",
        f"\ufeff\ufeff Email\u200b ,source\r\n{ADA},form\r\n",
        f"{HEADER}{ROW}".replace("\n", "\r"),
        f"{HEADER}\n,,\n{ADA},,more, than the header\n\u200b,\n",
        f'source,email\n"a; b, bo@example.org",{ADA}',
    ],
)
def test_a_list_in_which_there_is_no_doubt_is_read(tmp_path: Path, content: str) -> None:
    assert {entry.email for entry in OptOuts(written(tmp_path / "unsubscribed.csv", content))} == {ADA}


def test_opt_outs_are_all_ways_to_paste_them(tmp_path: Path) -> None:
    lines = [as_pasted(cell, f"ada{number}@example.org") for number, cell in enumerate(ADDRESS_CELLS)]
    quoted = [line.replace('"', '""') for line in lines]
    text = "email\n" + "".join(f'"{line}"\n' for line in quoted)
    opt_outs = OptOuts(written(tmp_path / "unsubscribed.csv", text))
    assert len(list(opt_outs)) == len(ADDRESS_CELLS)
    assert all(f" ADA{number}@example.org" in opt_outs for number in range(len(ADDRESS_CELLS)))


def test_not_learners_are_read_by_any_of_three_columns(tmp_path: Path) -> None:
    path = tmp_path / "not_learners.csv"
    assert list(NotLearners(path)) == []
    written(
        path,
        "Username,email,student_id,note\n"
        " Staff_1\u200b,,,\n"
        f",Ada <{ADA.upper()}>,,tester\n"
        ",, 0042 ,\n"
        f"staff_2,{ADA},9223372036854775807,bo@example.org\n"
        ",,,\n",
    )
    assert set(NotLearners(path)) == {
        NotLearner("staff_1", None, None, 2),
        NotLearner(None, ADA, None, 3),
        NotLearner(None, None, 42, 4),
        NotLearner("staff_2", ADA, 9223372036854775807, 5),
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "line 1: its header has no column username and no email and no student_id, as it is empty"),
        ("username;email\n", "as it is separated by semicolons"),
        ("username,note\n,tester\n", "line 2: it has no username, no email and no student_id"),
        ("email,student_id\n,7\nada at example.org,7\n", "line 3: its email is not an address"),
        ("student_id\n7.0\n", "line 2: its student_id is not a whole number"),
        ("student_id\n-7\n", "line 2: its student_id is not a whole number"),
        ("student_id\n\u0667\n", "line 2: its student_id is not a whole number"),
        ("student_id\n9223372036854775808\n", "line 2: its student_id is not a whole number"),
        ("student_id,Student_ID\n7,8\n", "line 1: its header has two columns student_id"),
        *(
            (f"username,email\nada_r,\n{username},\n", "line 3: its username has a blank, @, / or #")
            for username in ("Ada Real", "@ada_r", "https://courses.edx.org/u/ada_r", "# staff of 2026")
        ),
    ],
)
def test_not_learners_that_cannot_be_read_for_certain_are_refused(
    tmp_path: Path, content: str, says: str
) -> None:
    path = written(tmp_path / "not_learners.csv", content)
    with pytest.raises(ReaderError) as caught:
        NotLearners(path)
    assert f"{path}, {says}" in str(caught.value) or says in str(caught.value)
    assert "expected a CSV with the columns username, email, student_id, note." in str(caught.value)


def test_not_learners_are_read_again_where_the_file_changed(tmp_path: Path) -> None:
    path = written(tmp_path / "not_learners.csv", "username\nstaff_1\n")
    people = NotLearners(path)
    written(path, "username,student_id\nstaff_2,7\n")
    people.refresh()
    assert {person.username for person in people} == {"staff_1", "staff_2"}
    written(path, "username,student_id\nstaff_3,seven\n")
    with pytest.raises(ReaderError, match="line 2: its student_id is not a whole number"):
        people.refresh()
