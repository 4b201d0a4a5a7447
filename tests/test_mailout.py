"""The whole way of a mail: from CSV files through `dbt build` and `mm send` to what a mail server gets."""

import email.policy
import os
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from mail_fixtures import ADDRESS_CELLS, SECRET, MailServer, World, as_pasted
from report_fixtures import (
    Build,
    NewPlace,
    Place,
    Row,
    address,
    csv_text,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
)

# engy: pass grade 0.7, four courses and a capstone; its current runs are 1T2019, the coming ones 1T2019a of
# engy0x and engy1x, 2T2019 of engy2x and engy3x; its unsubscribe page checks MD5.
PASSED, FAILED = "0.7", "0.69"


def certified(student_id: int, status: str = "enrolled", delivered: str = "Y", email: str = "") -> Row:
    who, address, *cells = grade_row(student_id, "0.9", "verified", "Y", status)
    certificate = (delivered, "verified" if delivered == "Y" else "N/A")
    return (who, email or address, *cells[:5], *certificate, status)


def audited(student_id: int, grade: str = PASSED) -> Row:
    return grade_row(student_id, grade, "audit")


# Each asked for no more mail in another way to paste an address.
OPTED_OUT = dict(enumerate(ADDRESS_CELLS, start=101))

# In edX's reports like a learner: by username, by id, by an address that only an older report has.
STAFF = (31, 32, 33)
NOT_LEARNERS = csv_text(
    "username,email,student_id,note",
    [
        ("PUPIL_31", "", "", "course team"),
        ("", "", 32, "tester"),
        ("", "mailto:somebody@UNIVERSITY.example.org", "", ""),
        ("nobody_here", "", "", ""),
    ],
)

FILES = {
    "UQx_ENGY0x_1T2018_grade_report_2018-06-01-0000.csv": [
        certified(4),
        certified(40),
        certified(11),
        # staff, under the address of then
        certified(33, email="Somebody@university.example.org"),
    ],
    "UQx_ENGY1x_1T2018_grade_report_2018-06-01-0000.csv": [certified(4), certified(11)],
    "UQx_ENGY2x_1T2018_grade_report_2018-06-01-0000.csv": [certified(4), certified(11), certified(40)],
    "UQx_ENGY3x_1T2018_grade_report_2018-06-01-0000.csv": [certified(40)],
    "UQx_ENGY0x_1T2019_grade_report_2019-06-01-0000.csv": [
        (1, "Pupil1+edx@learners.example.org", "pupil_1", *audited(1)[3:]),
        certified(2),
        audited(3, FAILED),
        (5, "retired__user_5@retired.invalid", "retired__user_5", *certified(5)[3:]),
        certified(6, "unenrolled"),
        certified(7),
        (8, "pupil8 at example.org", "pupil_8", *certified(8)[3:]),
        certified(9),
        certified(10),
        # as edX has it, no mail can go there
        (14, "pupil14@learners.example.org\u200b", "pupil_14", *certified(14)[3:]),
        *(certified(student_id) for student_id in OPTED_OUT),
        certified(21),
        certified(30),
        *(certified(student_id) for student_id in STAFF),
    ],
    "UQx_ENGY1x_1T2019_grade_report_2019-06-01-0000.csv": [
        audited(9),
        certified(10),
        # an account with the address of learner 21, who is in another course
        certified(20, email="Pupil21@learners.example.org"),
        certified(22, delivered="N"),
    ],
    "UQx_ENGY2x_1T2019_grade_report_2019-06-01-0000.csv": [
        certified(10),
        certified(23, email=" PUPIL24@learners.example.org"),
        certified(24),
        # on edX's list of those who get a certificate
        grade_row(41, "0.2", "audit", "Y", "unenrolled"),
        # edX knows no such status
        certified(42, "left"),
    ],
    "UQx_ENGY3x_1T2019_grade_report_2019-06-01-0000.csv": [certified(4), audited(11), audited(40)],
    # learner 2 is in engy1x's coming run already
    "UQx_ENGY1x_1T2019a_grade_report_2019-06-01-0000.csv": [grade_row(2, "0.0", "audit")],
}

# learner, triggering course, kind, next course, its reason, reason for leaving out
CANDIDATES = [
    (1, "engy0x", 0, "engy1x", "enrol", None),
    (2, "engy0x", 1, "engy1x", "continue", None),
    (4, "engy3x", 1, None, "none left", "whole series certified"),
    (5, "engy0x", 1, "engy1x", "enrol", "retired account"),
    (6, "engy0x", 1, "engy1x", "enrol", "unenrolled"),
    (7, "engy0x", 1, "engy1x", "enrol", "unsubscribed"),
    (8, "engy0x", 1, "engy1x", "enrol", "no valid address"),
    (9, "engy0x", 1, "engy1x", "enrol", None),
    (9, "engy1x", 0, "engy2x", "enrol", "another course's mail"),
    (10, "engy0x", 1, "engy3x", "enrol", "another course's mail"),
    (10, "engy1x", 1, "engy3x", "enrol", "another course's mail"),
    (10, "engy2x", 1, "engy3x", "enrol", None),
    (11, "engy3x", 0, None, "none left", None),
    (14, "engy0x", 1, "engy1x", "enrol", "no valid address"),
    (20, "engy1x", 1, "engy0x", "enrol", None),
    (21, "engy0x", 1, "engy1x", "enrol", "same address"),
    (22, "engy1x", 1, "engy0x", "enrol", None),
    (23, "engy2x", 1, "engy0x", "enrol", None),
    (24, "engy2x", 1, "engy0x", "enrol", "same address"),
    (30, "engy0x", 1, "engy1x", "enrol", "address bounced"),
    # the certificate of engy3x is there, from another run: engy1x is still to go
    (40, "engy3x", 0, "engy1x", "enrol", "already certified"),
    (41, "engy2x", 1, "engy0x", "enrol", "unenrolled"),
    (42, "engy2x", 1, "engy0x", "enrol", "unenrolled"),
    *((student_id, "engy0x", 1, "engy1x", "enrol", "unsubscribed") for student_id in OPTED_OUT),
]
QUERY = (
    "select student_id, trigger_course, trigger_course_verified, next_course, next_course_reason,"
    " excluded_reason from mailout_candidates order by all"
)


def world_of(place: Place, server: MailServer) -> World:
    directories = {"MM_DATA_DIR": str(place.data), "MM_DATABASE_DIR": str(place.database)}
    secrets = {"MM_SMTP_URL": server.url(), "MM_UNSUBSCRIBE_SECRET": SECRET}
    return World(place.root, dict(os.environ) | directories | secrets)


class Story:
    """A program's folder from its first mailout on."""

    def __init__(self, place: Place, server: MailServer) -> None:
        self.place = place
        self.server = server
        self.world = world_of(self.place, server)
        for name, rows in FILES.items():
            self.place.write("engy", name, grade_report(*rows))
        self.place.write(
            "engy",
            "UQx_ENGY0x_1T2019_student_profile_info_2019-06-01-0000.csv",
            profile_report(
                profile_row(1, "Pérez, Ana", "MX", email="Pupil1+edx@learners.example.org"),
                profile_row(2, "Bo Q", "AU"),
            ),
        )
        self.place.write("", "not_learners.csv", NOT_LEARNERS)
        self.place.write(
            "",
            "unsubscribed.csv",
            "\ufeff"
            + csv_text(
                "email,unsubscribed_at,source",
                [
                    (" PUPIL7@learners.example.org ", "2019-05-01", "web"),
                    # the last line about an address counts
                    (address(2), "2019-05-01T10:00:00Z", "page"),
                    (address(2).upper(), "2019-05-01T10:01:00Z", "taken back"),
                    (address(7), "2019-05-01T10:00:00Z", "taken back"),
                    (address(7), "2019-05-01T10:01:00Z", "one-click"),
                    *((as_pasted(cell, address(number)), "", "mail") for number, cell in OPTED_OUT.items()),
                ],
            ),
        )

        self.place.write(
            "", "bounced.csv", f"email,bounced_at,status,detail\n{address(30)},2019-05-01,5.1.1,\n"
        )

    def build(self) -> Build:
        return self.place.build("engy").passed()

    def send(self, expected: int) -> list[EmailMessage]:
        """Send just as many as are expected, and return what the server got, by learner's address."""
        before = len(self.server.accepted)
        result = self.world.mm("send", "engy", "--confirm", expected)
        assert result.returncode == 0, result.stderr
        parser = BytesParser(policy=email.policy.default)
        return [parser.parsebytes(envelope.content) for envelope in self.server.accepted[before:]]


@pytest.fixture(scope="module")
def story(new_place: NewPlace) -> Iterator[Story]:
    with MailServer("localhost") as server:
        yield Story(new_place(), server)


@pytest.fixture(scope="module")
def first_build(story: Story) -> Build:
    return story.build()


@pytest.fixture(scope="module")
def first_mails(story: Story, first_build: Build) -> dict[str, EmailMessage]:
    del first_build
    return {message["To"].addresses[0].username: message for message in story.send(8)}


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return part.get_content()


def test_every_candidate_has_its_next_course_and_its_reason(first_build: Build) -> None:
    assert first_build.rows(QUERY) == CANDIDATES


def test_who_is_no_learner_is_nowhere_but_among_the_rejected_rows(first_build: Build) -> None:
    for table, column in (
        ("learners", "student_id"),
        ("learner_progress", "student_id"),
        ("learner_requirements", "student_id"),
        ("learner_tracks", "student_id"),
        ("engy_coursecompletion", "student_id"),
        ("course_instancedetails", "learner_id"),
        ("learner_course_history", "learner_id"),
    ):
        assert first_build.rows(f"select {column} from {table} where {column} in {STAFF}") == [], table
    query = "select count(*) from rejected_rows where reason = 'not a learner (not_learners.csv)'"
    assert first_build.rows(query) == [(4,)]
    texts = "select distinct raw_text from rejected_rows where reason = 'not a learner (not_learners.csv)'"
    assert first_build.rows(texts) == [("withheld: of somebody in not_learners.csv",)]
    # no reason to look at the file
    assert "rows are not used" not in first_build.output


def test_the_sets_are_the_candidates_that_are_not_left_out(first_build: Build) -> None:
    by_set = {
        name: first_build.rows(f"select student_id from {name} order by all")
        for name in ("mailout", "mailout_audit_passed", "mailout_certificate_eligible")
    }
    assert by_set == {
        "mailout": [(1,), (2,), (9,), (10,), (11,), (20,), (22,), (23,)],
        "mailout_audit_passed": [(1,), (11,)],
        "mailout_certificate_eligible": [(2,), (9,), (10,), (20,), (22,), (23,)],
    }


def test_each_learner_and_each_address_of_the_mailout_gets_one_mail(
    first_mails: dict[str, EmailMessage],
) -> None:
    assert sorted(first_mails) == [
        *("PUPIL24", "Pupil1+edx", "Pupil21", "pupil10", "pupil11", "pupil2", "pupil22", "pupil9"),
    ]
    # the later course's, engy1x
    assert "Climate Science and Policy!" in body(first_mails["Pupil21"], "plain")


def test_who_passed_and_has_no_certificate_yet_is_not_told_to_show_it(
    first_mails: dict[str, EmailMessage],
) -> None:
    for kind in ("plain", "html"):
        due, there = (" ".join(body(first_mails[who], kind).split()) for who in ("pupil22", "Pupil21"))
        assert "Congratulations on passing Climate Science and Policy!" in due
        assert "LinkedIn" not in due
        assert "Congratulations on completing Climate Science and Policy!" in there
        assert "LinkedIn" in there


def test_an_auditor_is_told_to_verify_and_where_to_go_on(first_mails: dict[str, EmailMessage]) -> None:
    message = first_mails["Pupil1+edx"]
    assert message["To"].addresses[0].display_name == "Pérez, Ana"
    assert str(message["From"]) == "UQx Updates <business@uqx.uq.edu.au>"
    # md5 of the secret followed by pupil1+edx@learners.example.org
    link = (
        "https://tools.itali.uq.edu.au/uqxmailouts/unsubscribe/index.php"
        "?email=pupil1%2Bedx%40learners.example.org&validation_hash=b788a3cbca48a4174f8fd9202d8d68f8"
    )
    assert message["List-Unsubscribe"] == f"<{link}>"
    text = body(message, "plain")
    assert link in text
    assert link.replace("&", "&amp;") in body(message, "html")
    # the course to verify, at its current run; the next one, at its coming run
    assert "https://www.edx.org/course/energy-principles-and-renewable-energy-2" in text
    assert "https://www.edx.org/course/climate-science-and-policy-2" in text


def test_at_all_but_one_an_auditor_is_told_of_no_next_course(first_mails: dict[str, EmailMessage]) -> None:
    text = body(first_mails["pupil11"], "plain")
    assert "https://www.edx.org/course/low-emission-technologies-and-supply-systems-0" in text
    for other in ("energy-principles-and-renewable", "climate-science-and-policy", "energy-and-development"):
        assert other not in text


def test_nothing_is_sent_twice_and_who_moves_to_verified_is_mailed_anew(
    story: Story, first_mails: dict[str, EmailMessage]
) -> None:
    del first_mails
    assert story.send(0) == []
    rebuilt = story.build()
    assert rebuilt.rows("from mailout") == []
    assert rebuilt.rows("select status, count(*) from send_log group by all") == [("sent", 8)]
    mailed = rebuilt.rows(
        "select student_id, trigger_course from mailout_candidates"
        " where excluded_reason = 'already mailed' order by all"
    )
    assert mailed == [
        *((1, "engy0x"), (2, "engy0x"), (9, "engy0x"), (10, "engy2x"), (11, "engy3x")),
        # 24 by its address
        *((20, "engy1x"), (22, "engy1x"), (23, "engy2x"), (24, "engy2x")),
    ]
    same_address = "select student_id from mailout_candidates where excluded_reason = 'same address'"
    assert rebuilt.rows(same_address) == [(21,)]
    # a week later learner 1 has verified; an opt-in list says yes, at last, for 1 and 14 alone; and the
    # program waits for certificates
    story.place.change_seed("programs.csv", "eligible,\nlgdm,", "delivered,\nlgdm,")
    story.place.write(
        "engy",
        "UQx_ENGY0x_1T2019_grade_report_2019-06-08-0000.csv",
        grade_report(
            (1, "Pupil1+edx@learners.example.org", "pupil_1", *certified(1)[3:]),
            certified(2),
            certified(12),
            certified(13),
            certified(14, delivered="N"),
        ),
    )
    story.place.write(
        "engy",
        "UQx-email_opt_in-2019-06-08.csv",
        "user_id,username,email,is_opted_in_for_email,course_id,preference_set_datetime\r\n"
        "1,pupil_1,pupil1+edx@learners.example.org,False,course-v1:UQx+ENGY0x+1T2019,2019-01-01 00:00:00\r\n"
        "1,pupil_1,pupil1+edx@learners.example.org,True,course-v1:UQx+ENGY0x+1T2019,2019-02-01 00:00:00\r\n"
        "12,pupil_12,pupil12@learners.example.org,True,course-v1:UQx+ENGY0x+1T2019,2019-01-01 00:00:00\r\n"
        "12,pupil_12,pupil12@learners.example.org,False,course-v1:UQx+ENGY0x+1T2019,2019-02-01 00:00:00\r\n"
        "14,pupil_14,pupil14@learners.example.org,True,course-v1:UQx+ENGY0x+1T2019,2019-01-01 00:00:00\r\n",
    )
    later = story.build()
    reasons = later.rows(
        "select student_id, trigger_course_verified, excluded_reason from mailout_candidates"
        " where trigger_course = 'engy0x' order by all"
    )
    assert reasons == [
        (1, 1, None),
        *((number, 1, "not opted in") for number in (2, 12, 13)),
        (14, 1, "certificate not delivered"),
    ]
    assert [message["To"].addresses[0].username for message in story.send(1)] == ["Pupil1+edx"]
    # another week later the certificate is there
    story.place.write(
        "engy", "UQx_ENGY0x_1T2019_grade_report_2019-06-15-0000.csv", grade_report(certified(14))
    )
    assert story.build().rows("select student_id, is_certificate_delivered from mailout") == [(14, True)]
    # whoever is put into the list after the build is not mailed either
    story.place.write("", "not_learners.csv", NOT_LEARNERS + "Pupil_14,,,a tester\r\n")
    assert story.send(0) == []
    story.place.write("", "not_learners.csv", NOT_LEARNERS)
    # and nobody is while a list lies about that nobody reads
    stray = story.place.write("", "Unsubscribed (1).csv", "email\r\npupil14@learners.example.org\r\n")
    refused = story.world.mm("send", "engy", "--confirm", 1)
    assert refused.returncode == 1
    assert "Unsubscribed (1).csv: it looks like an opt-out list" in refused.stderr
    stray.unlink()
    [message] = story.send(1)
    assert message["To"].addresses[0].username == "pupil14"
    assert "LinkedIn" in body(message, "plain")


# ---- who said no under another address ----

ANA, BEN, CY, STAFF_ABROAD, ANA_TOO, DI, CY_TOO = range(1, 8)


def moved_row(student_id: int, email: str) -> Row:
    return certified(student_id, email=email)


@pytest.fixture(scope="module")
def moved(new_place: NewPlace) -> tuple[Build, list[str], str]:
    """Build and send where all have another address by now: the build, who got mail, what dbt said."""
    place = new_place()
    run = "UQx_ENGY0x_1T2019_grade_report"
    place.write(
        "engy",
        f"{run}_2019-05-01-0000.csv",
        grade_report(
            moved_row(ANA, "Ana.Old@example.org"),
            moved_row(BEN, "ben.old@example.org"),
            moved_row(CY, "cy.old@example.org"),
            moved_row(STAFF_ABROAD, "staff.old@example.org"),
        ),
    )
    place.write(
        "engy",
        f"{run}_2019-06-01-0000.csv",
        grade_report(
            moved_row(ANA, "ana.new@example.org"),
            moved_row(BEN, "ben.new@example.org"),
            moved_row(CY, "cy.new@example.org"),
            moved_row(STAFF_ABROAD, "staff.new@example.org"),
            # second accounts with her address of now, with one of staff, with the dead one
            moved_row(ANA_TOO, "Ana.NEW@example.org"),
            moved_row(DI, "staff.old@example.org"),
            moved_row(CY_TOO, "cy.old@example.org"),
        ),
    )
    place.write(
        "",
        "unsubscribed.csv",
        "email,unsubscribed_at,source\n"
        "ana.old@example.org,2019-05-20T10:00:00Z,one-click\n"
        "ben.old@example.org,2019-05-20T10:00:00Z,complaint\n",
    )
    place.write("", "bounced.csv", "email,bounced_at,status,detail\ncy.old@example.org,2019-05-20,5.1.1,\n")
    place.write(
        "",
        "not_learners.csv",
        csv_text(
            "username,email,student_id,note",
            [
                (f"pupil_{STAFF_ABROAD}", "", "", "team"),
                ("ana_r", "", "", ""),
                ("", "who@example.org", 77, ""),
            ],
        ),
    )
    build = place.build("engy").passed()
    with MailServer("localhost") as server:
        result = world_of(place, server).mm("send", "engy", "--confirm", 1)
        assert result.returncode == 0, result.stderr
        return build, [envelope.rcpt_tos[0] for envelope in server.accepted], build.output


def test_an_opt_out_and_a_complaint_go_with_the_person_and_a_bounce_does_not(
    moved: tuple[Build, list[str], str],
) -> None:
    build, recipients, _ = moved
    candidates = build.rows("select student_id, excluded_reason from mailout_candidates order by all")
    assert candidates == [
        (ANA, "unsubscribed"),
        (BEN, "unsubscribed"),
        (CY, None),
        (ANA_TOO, "unsubscribed"),
        (DI, "unsubscribed"),
        (CY_TOO, "address bounced"),
    ]
    assert recipients == ["cy.new@example.org"]


def test_lines_that_name_nobody_are_told_without_whom_they_name(moved: tuple[Build, list[str], str]) -> None:
    _, _, output = moved
    assert "not_learners.csv, line 3 (username), line 4 (email, student_id): correct" in output
    assert "ana_r" not in output
    assert "who@example.org" not in output


# ---- a course of two programs ----


def test_a_course_of_two_programs_is_written_about_once(new_place: NewPlace) -> None:
    place = new_place()
    lgdm5x = "lgdm,lgdm5x,5,Leadership in Global Development Capstone,UQx_LGDM5x,0.65,true\n"
    shared = "lgdm,buslead1x,6,Becoming an Effective Leader,UQx_BUSLEAD1x,0.65,false\n"
    place.change_seed("courses.csv", lgdm5x, lgdm5x + shared)
    place.write(
        "buslead",
        "UQx_BUSLEAD1x_1T2019_grade_report_2019-06-01-0000.csv",
        grade_report(certified(1), audited(3)),
    )
    for program in ("buslead", "lgdm"):
        build = place.build(program).passed()
        assert build.rows("select student_id from mailout order by all") == [(1,), (3,)]
    with MailServer("localhost") as server:
        world = world_of(place, server)
        assert world.mm("send", "buslead", "--confirm", 2).returncode == 0
        # both by what lgdm's last build knows, and by what its next one does
        for reasons in ([(None,)], [("already mailed",)]):
            assert build.rows("select distinct excluded_reason from mailout_candidates") == reasons
            result = world.mm("send", "lgdm", "--confirm", 0)
            assert result.returncode == 0, result.stderr
            build = place.build("lgdm").passed()
        assert [envelope.rcpt_tos[0] for envelope in server.accepted] == [address(1), address(3)]
    assert build.rows("from send_log") == []


# ---- a run whose files are named in several letter cases ----


def test_a_run_is_spelt_one_way_wherever_runs_are_counted(new_place: NewPlace) -> None:
    place = new_place()
    cut_off = ("5", "cut off")
    place.write(
        "engy", "UQx_ENGY0x_1T2019_grade_report_2019-05-01-0000.csv", grade_report(audited(1), cut_off)
    )
    newest = "uqx_engy0x_1t2019"
    rows = [certified(1), certified(2), *(audited(n, "0.1") for n in range(10, 30)), cut_off]
    place.write("engy", f"{newest}_grade_report_2019-06-01-0000.csv", grade_report(*rows))
    profiles = profile_report(profile_row(1, "Ana", "au"), profile_row(2, "Bo", " AU"))
    place.write("engy", "UQX_ENGY0X_1T2019_student_profile_info_2019-06-02-0000.csv", profiles)
    assert place.build("engy").passed().rows("select distinct trigger_course_instance from mailout") == [
        ("UQx_ENGY0x_1T2019",)
    ]
    with MailServer("localhost") as server:
        assert world_of(place, server).mm("send", "engy", "--confirm", 2).returncode == 0
    build = place.build("engy").passed()
    for table in (
        *("course_run_summary", "course_runs_by_country_and_track", "course_instancedetails"),
        *("progress_over_time", "changes", "report_files", "downloads_by_course_run"),
        *("rejected_rows_by_reason", "mailout_by_country", "mails_by_day"),
    ):
        assert build.rows(f"select distinct course_instance from {table}") == [(newest,)], table
    assert build.rows("select course, country, tries from mails_by_day") == [("engy0x", "AU", 2)]
    assert build.rows("select country, learners from country_summary") == [(None, 20), ("AU", 2)]
