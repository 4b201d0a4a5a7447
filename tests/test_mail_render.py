"""What a mail says and how its message is built. Expected values are worked out by hand."""

import os
import re
from datetime import date
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any, cast

import pytest
from mail_fixtures import NO_NEXT_COURSE, PROJECT, SECRET, MailServer, World, candidate

from mm.config import ReaderError
from mm.mail.render import Renderer, clean_name, mail_address
from mm.mail.templates import Part, choose
from mm.people.unsubscribe_links import unsubscribe_link
from mm.published import Candidate, Program

DEMO = Program(
    program="demo",
    title="Urban Beekeeping",
    credential="Urban Beekeeping MicroMasters credential",
    certificates_required=4,
    degree="Master of Applied Apiculture",
    degree_link="https://www.example.org/master-of-applied-apiculture",
    apply_link="https://www.example.org/apply",
    contact_email="bees@example.org",
    organization="Example University",
    postal_address="Example University, 1 Clover Lane, Springfield",
    sender="Example University Updates <updates@example.org>",
    reply_to="bees@example.org",
    subject="Congratulations on your progress in Urban Beekeeping",
    unsubscribe_base="https://www.example.org/unsubscribe",
    unsubscribe_hash="hmac-sha256",
    certificate_mail="delivered",
)
# `printf '%s' ada+bees@example.org | openssl dgst -sha256 -hmac 'an invented secret'`
HMAC_OF_ADA = "a7634126bc7328fc0949d48e4c152cf0edb1ddfacc87e4314f5f064a37e47b09"
# `printf '%s' 'an invented secretada+bees@example.org' | md5sum`
MD5_OF_ADA = "2a9e82227465d40865fa7f88f2bf895c"
# `printf 'demo\n7\nExampleX_BEES1x_1T2026\n0' | sha256sum | cut -c 1-40`
MESSAGE_ID_OF_7 = "<cfa36c5dcb4139f27809a1e7845509bc5b4a29f5@example.org>"

UNKNOWN_IN_A_BLOCK = """{% extends 'base.html.j2' %}
{% block degree %}
{{ degre }}
{% endblock %}
"""

NASTY_NAMES = {
    "line breaks": "Ada\r\nBcc: victim@example.org\r\n\r\nA body",
    "a lone line feed": "Ada\nSubject: other",
    "unicode line breaks": "Ada\u2028Bcc: x\u2029y\x85z\x0b\x0c",
    "an encoded word with a line break": "=?utf-8?q?a=0D=0ABcc=3A_victim=40example.org?=",
    "quotes": 'Pat "the \\ bee" O\'Brien',
    "commas and brackets": "Lovelace, Ada <ada@example.com>, (x); y: z",
    "a script": "<script>alert('bees')</script>",
    "an entity": "Ada &amp; {{ 7 * 7 }} {% raw %}",
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "an override": "Ada \u202etxt.exe \u2066x",
    "200 characters": "b" * 200,
    "200 characters outside ASCII": "\u00e9" * 200,
    "200 characters beyond 16 bits": "\U0001f41d" * 200,
    "control characters": "Ada\x00\x1b[2J\x07",
    "spaces": "  Ada   Lovelace  ",
    "dots": ".Ada. L.",
}


def row(student_id: int = 7, **values: object) -> Candidate:
    return Candidate(**cast("Any", candidate(student_id, **values)))


def facts(**values: object) -> Program:
    return Program(**cast("Any", {name: getattr(DEMO, name) for name in DEMO.__slots__} | values))


def bodies(program: Program = DEMO, **values: object) -> tuple[str, str]:
    """Return the text on one line, and the words of the HTML on one line."""
    text, html = Renderer(program, SECRET).bodies(row(**values))
    return " ".join(text.split()), words(html)


def templates_with(folder: Path, file: str, content: str) -> Path:
    """Copy the templates to the folder, with a template of the demo program's own."""
    return templates_of(folder, {f"programs/demo/{file}": content})


def templates_of(folder: Path, own: dict[str, str]) -> Path:
    """Copy the base templates to the folder, with these beside them."""
    for base in ("base.html.j2", "base.txt.j2"):
        (folder / base).write_bytes((PROJECT / "templates" / base).read_bytes())
    for name, content in own.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def words(html: str) -> str:
    body = re.sub(r"<(style|title).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r" (?=[,.:])", "", " ".join(re.sub(r"<[^>]+>", " ", body).split()))


def parsed(content: bytes) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(content)


@pytest.mark.parametrize("verified", [0, 1])
@pytest.mark.parametrize(
    ("certificates", "says"),
    [
        (0, "which takes 4 course certificates. Yours can be the first."),
        (1, "You have earned 1 of the 4 course certificates"),
        (2, "You have earned 2 of the 4 course certificates"),
        (3, "With 3 of 4 course certificates you belong to a special cohort"),
    ],
)
def test_the_congratulations_have_three_forms(certificates: int, says: str, verified: int) -> None:
    for body in bodies(no_certificate_eligible=certificates, trigger_course_verified=verified):
        assert "Congratulations on completing Bee Biology!" in body
        assert says in body
        assert sum(form in body for form in ("be the first", "You have earned", "cohort")) == 1


def test_a_program_of_one_course_has_no_cohort_yet() -> None:
    text, _ = bodies(no_certificate_eligible=0, certificates_required=1)
    assert "which takes 1 course certificate. Yours can be the first." in text


def test_an_audit_learner_is_told_to_verify_and_a_certified_one_to_share() -> None:
    for body in bodies(trigger_course_verified=0):
        assert "your enrolment in it needs to be verified" in body
        assert "LinkedIn" not in body
    for body in bodies(trigger_course_verified=1, no_certificate_eligible=1):
        assert "LinkedIn" in body
        assert "audit" not in body
        assert "verified." not in body


@pytest.mark.parametrize(
    ("certificates", "says"),
    [
        (1, "You have passed 1 of the 4 courses that the Urban Beekeeping MicroMasters credential takes."),
        (3, "With 3 of 4 courses passed you belong to a special cohort"),
    ],
)
def test_before_the_certificate_is_there_a_mail_speaks_of_passing_and_not_of_showing_it(
    certificates: int, says: str
) -> None:
    passed = {"trigger_course_verified": 1, "no_certificate_eligible": certificates}
    for body in bodies(**passed, is_certificate_delivered=False):
        assert "Congratulations on passing Bee Biology!" in body
        assert says in body
        assert "LinkedIn" not in body
        assert "certificate" not in body
        assert "Continue with Hives" in body
    # where the report does not tell, as if it were there
    for body in bodies(**passed, is_certificate_delivered=None):
        assert body in bodies(**passed, is_certificate_delivered=True)
        assert "Congratulations on completing Bee Biology!" in body
        assert "LinkedIn" in body


def test_a_mail_to_an_auditor_is_the_same_whatever_the_report_says_of_a_certificate() -> None:
    assert bodies(is_certificate_delivered=False) == bodies()


def test_the_next_course_is_to_enrol_in_to_continue_or_absent() -> None:
    for body in bodies(next_course_reason="enrol"):
        assert "Continue with Hives Through the Year: enrol as a verified learner" in body
    for body in bodies(next_course_reason="continue"):
        assert "You are enrolled in Hives Through the Year already." in body
        assert "Enrol" not in body
    for body in bodies(no_certificate_eligible=3, **NO_NEXT_COURSE):
        assert "next course" not in body.lower()
        assert "None" not in body
        assert "()" not in body


def test_an_auditor_is_told_until_when_to_upgrade() -> None:
    deadline = {"trigger_course_upgrade_ends_on": date(2026, 7, 14)}
    for body in bodies(**deadline):
        assert "Upgrade by 14 July 2026." in body
    for body in (*bodies(), *bodies(trigger_course_verified=1, **deadline)):
        assert "Upgrade by" not in body


def test_a_next_course_says_when_it_starts_or_that_it_will_be_offered_again() -> None:
    for body in bodies(next_course_starts_on=date(9999, 7, 14)):
        assert "It starts on 14 July 9999." in body
    for body in bodies(next_course_starts_on=date(2019, 7, 14), next_course_reason="continue"):
        assert "It started on 14 July 2019." in body
    later = {"next_course_link": None, "next_course_reason": "not open yet"}
    for body in bodies(trigger_course_verified=1, **later):
        assert "Hives Through the Year comes next. It takes no enrolments just now," in body
        assert "it will be offered again." in body
        assert "as a verified learner" not in body
        assert "start on" not in body
    _, html = Renderer(DEMO, SECRET).bodies(row(trigger_course_verified=1, **later))
    assert 'class="button"' not in html


def language_templates(
    tag: str, kinds: tuple[str, ...] = ("txt", "html"), says: str = "Hola:"
) -> dict[str, str]:
    """Return a language's templates, which greet in it, at their place."""
    greeting = f"{{% block greeting %}}{says}{{% endblock %}}"
    return {f"languages/{tag}/{kind}.j2": f"{{% extends 'base.{kind}.j2' %}}{greeting}" for kind in kinds}


def rendered(folder: Path, **values: object) -> tuple[list[str], tuple[str, ...]]:
    """Return text and HTML of a mail with a last day to upgrade, each on a line, and what is told of them."""
    renderer = Renderer(facts(**values), SECRET, folder)
    text, html = renderer.bodies(row(trigger_course_upgrade_ends_on=date(2026, 7, 14)))
    return [" ".join(text.split()), words(html)], renderer.notes


@pytest.mark.parametrize(
    ("language", "tag", "says"),
    [
        ("en", None, "14 July 2026"),
        ("EN", None, "14 July 2026"),
        ("en-US", None, "July 14, 2026"),
        ("en_us", None, "July 14, 2026"),
        ("es", "es", "14 de julio de 2026"),
        ("pt-BR", "pt", "14 de julho de 2026"),
        ("de", "de", "14. Juli 2026"),
        ("zh-Hans", "zh-Hans", "2026年7月14日"),
    ],
)
def test_days_are_in_the_programs_language(tmp_path: Path, language: str, tag: str | None, says: str) -> None:
    parts, notes = rendered(templates_of(tmp_path, language_templates(tag) if tag else {}), language=language)
    for body in parts:
        assert f"Upgrade by {says}." in body
    assert notes == ()


@pytest.mark.parametrize(
    ("language", "folder"),
    [
        ("pt-br", "pt-BR"),
        ("pt-BR", "pt_BR"),
        ("pt_BR", "pt-br"),
        ("es", "ES"),
        # of no country, or of another script's country: what a tag begins with
        ("es-MX", "es"),
        ("zh-Hans-SG", "zh_hans"),
        ("zh-Hans-SG", "ZH"),
    ],
)
def test_a_tag_is_the_same_in_any_letter_case_and_with_underscores(
    tmp_path: Path, language: str, folder: str
) -> None:
    parts, notes = rendered(templates_of(tmp_path, language_templates(folder)), language=language)
    assert all("Hola:" in body for body in parts)
    assert notes == ()


def test_the_templates_of_the_longest_tag_go_first_and_one_language_has_one_folder(tmp_path: Path) -> None:
    folder = templates_of(
        tmp_path, language_templates("es") | language_templates("es-MX", ("html",), "Qu\u00e9 tal:")
    )
    parts, notes = rendered(folder, language="es-mx")
    assert parts[0].startswith("Hola:")
    assert "Qu\u00e9 tal:" in parts[1]
    assert notes == ()
    templates_of(tmp_path, language_templates("es_mx"))
    with pytest.raises(ReaderError, match="are for the same language: keep one"):
        rendered(folder, language="es")


@pytest.mark.parametrize("language", ["es", "pt", "pt-PT"])
def test_a_language_without_templates_is_told_and_its_days_are_in_the_mails_language(
    tmp_path: Path, language: str
) -> None:
    # Those of Brazil are not every Portuguese learner's.
    parts, notes = rendered(templates_of(tmp_path, language_templates("pt-BR")), language=language)
    for body in parts:
        assert "Upgrade by 14 July 2026." in body
    folder = tmp_path / "languages" / language
    [note] = notes
    assert note == (
        f"The language of demo is {language}, but its mails have their text and HTML, days included, "
        f"in English: there is no {folder / 'txt.j2'}, and there is no {folder / 'html.j2'}."
    )


@pytest.mark.parametrize(("has", "lacks", "part"), [("html", "txt", "text"), ("txt", "html", "HTML")])
def test_a_language_with_one_of_its_two_templates_is_told(
    tmp_path: Path, has: str, lacks: str, part: str
) -> None:
    folder = templates_of(tmp_path, language_templates("es", (has,)))
    bodies_of, notes = rendered(folder, language="es")
    parts = dict(zip(("txt", "html"), bodies_of, strict=True))
    assert "Upgrade by 14 de julio de 2026." in parts[has]
    assert "Upgrade by 14 July 2026." in parts[lacks]
    [note] = notes
    assert note == (
        f"The language of demo is es, but its mails have their {part}, days included, in English: "
        f"there is no {folder / 'languages' / 'es' / f'{lacks}.j2'}."
    )


def test_a_programs_own_template_is_of_the_language_that_it_builds_on(tmp_path: Path) -> None:
    on_base = "{% extends 'base.txt.j2' %}{% block sign_off %}Abejas{% endblock %}"
    folder = templates_of(tmp_path, language_templates("es") | {"programs/demo/txt.j2": on_base})
    parts, notes = rendered(folder, language="es")
    assert "Upgrade by 14 July 2026." in parts[0]
    assert "Abejas" in parts[0]
    assert len(notes) == 1
    assert f"text, days included, in English: {folder / 'programs' / 'demo' / 'txt.j2'} does" in notes[0]
    own = folder / "programs" / "demo" / "txt.j2"
    own.write_text(on_base.replace("base.txt.j2", "languages/es/txt.j2"))
    parts, notes = rendered(folder, language="es")
    assert parts[0].startswith("Hola:")
    assert "Abejas" in parts[0]
    assert "14 de julio de 2026" in parts[0]
    assert notes == ()
    # One that builds on nothing is in the program's language.
    own.write_text("{{ trigger_course_upgrade_ends_on | in_words }}")
    assert rendered(folder, language="es") == (["14 de julio de 2026", parts[1]], ())


def test_a_language_can_have_templates_which_a_program_goes_before(tmp_path: Path) -> None:
    folder = templates_with(
        tmp_path, "txt.j2", "{% extends 'languages/es/txt.j2' %}{% block sign_off %}Abejas{% endblock %}"
    )
    templates_of(
        folder,
        {
            "languages/es/txt.j2": "{% extends 'base.txt.j2' %}"
            "{% block greeting %}Hola:{% endblock %}{% block sign_off %}Saludos{% endblock %}",
            "languages/es/html.j2": "{% extends 'base.html.j2' %}"
            '{% block language %}lang="es" dir="ltr"{% endblock %}',
        },
    )
    text, html = Renderer(facts(language="es"), SECRET, folder).bodies(row())
    assert text.startswith("Hola:")
    assert "Abejas" in text
    assert "Saludos" not in text
    assert '<html lang="es" dir="ltr">' in html
    # another program of that language has the language's
    text, _ = Renderer(facts(program="ants", language="es"), SECRET, folder).bodies(row())
    assert "Saludos" in text


def test_old_places_are_read_with_a_word(tmp_path: Path) -> None:
    at_old_place = {name.removeprefix("languages/"): text for name, text in language_templates("es").items()}
    folder = templates_of(tmp_path, at_old_place | {"demo/txt.j2": "{% extends 'es/txt.j2' %}"})
    parts, notes = rendered(folder, language="es")
    assert parts[0].startswith("Hola:")
    assert "14 de julio de 2026" in parts[0]
    assert notes == (
        f"Move {folder / 'demo'} to {folder / 'programs' / 'demo'}, its place by now.",
        f"Move {folder / 'es'} to {folder / 'languages' / 'es'}, its place by now.",
    )
    # Where both are there, the new one counts.
    templates_of(folder, {"programs/demo/txt.j2": "new"} | language_templates("es", says="Buenas:"))
    parts, notes = rendered(folder, language="es")
    assert parts[0] == "new"
    assert "Buenas:" in parts[1]
    assert notes == ()


def test_a_program_whose_code_is_a_languages_tag_lends_its_texts_to_nobody(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    (seeds / "programs.csv").write_text("program,language\nes,en\ndemo,es\n")
    for place in ("es", "programs/es"):
        folder = tmp_path / place.replace("/", "-")
        folder.mkdir()
        templates_of(folder, {f"{place}/txt.j2": "Of the program es"})
        assert choose(facts(language="es"), folder, seeds).text == Part("base.txt.j2", "en")
        assert choose(facts(program="es"), folder, seeds).text == Part(f"{place}/txt.j2", "en")
        # Whose language's texts are elsewhere.
        templates_of(folder, language_templates("es"))
        assert choose(facts(language="es"), folder, seeds).text == Part("languages/es/txt.j2", "es")


def test_list_render_and_send_tell_of_a_language_without_templates(world: World, server: MailServer) -> None:
    world.publish([candidate(1, trigger_course_upgrade_ends_on=date(9999, 7, 14))], language="es")
    for command in (("list", "demo"), ("render", "demo", "--out", world.folder), ("send", "demo")):
        done = world.mm(*command)
        assert done.returncode == 0
        assert done.stderr.startswith(
            "mm: The language of demo is es, but its mails have their text and HTML, days"
        )
    assert "Upgrade by 14 July 9999." in (world.folder / "1.txt").read_text()
    assert not server.accepted


def test_a_template_that_writes_a_day_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    own = "{{ next_course_starts_on | in_words }}"
    with pytest.raises(ReaderError, match="empty"):
        Renderer(DEMO, SECRET, templates_with(tmp_path, "txt.j2", own)).bodies(row())


def test_everything_stands_in_its_order_in_both_parts() -> None:
    order = (
        "Dear Learner 7,",
        "Congratulations",
        "needs to be verified",
        "Continue with Hives",
        "on-campus Master of Applied Apiculture",
        "bees@example.org",
        "regards",
        "© ",
        "trademarks",
        "You get this mail because",
        "1 Clover Lane",
        "without logging in",
    )
    for body in bodies():
        places = [body.index(part) for part in order]
        assert places == sorted(places)


def test_links_are_in_both_parts() -> None:
    text, html = Renderer(DEMO, SECRET).bodies(row())
    for link in (
        "https://www.example.org/course/bee-biology",
        "https://www.example.org/course/hives-through-the-year",
        "https://www.example.org/master-of-applied-apiculture",
        "https://www.example.org/apply",
    ):
        assert link in text
        assert f'href="{link}"' in html


def test_absent_facts_leave_no_trace() -> None:
    bare = facts(degree=None, degree_link=None, apply_link=None, unsubscribe_hash=None)
    values = {"student_name": None, "trigger_course_link": None, "next_course_link": None}
    for body in bodies(bare, **values):
        assert "Hello," in body
        assert "Dear" not in body
        assert "on-campus" not in body
        assert "None" not in body
    for body in bodies(facts(degree_link=None, apply_link=None)):
        assert "on-campus Master of Applied Apiculture at Example University." in body


def test_the_unsubscribe_links_hash_the_lower_case_address() -> None:
    base = "https://www.example.org/unsubscribe"
    query = "email=ada%2Bbees%40example.org&validation_hash="
    for address in ("ada+bees@example.org", " Ada+Bees@Example.ORG "):
        assert unsubscribe_link(base, address, SECRET, None) == f"{base}?{query}{HMAC_OF_ADA}"
        assert (
            unsubscribe_link(f"{base}?p=1", address, SECRET, "hmac-sha256")
            == f"{base}?p=1&{query}{HMAC_OF_ADA}"
        )
        assert unsubscribe_link(base, address, SECRET, "md5") == f"{base}?{query}{MD5_OF_ADA}"


@pytest.mark.parametrize(("kind", "digest"), [("hmac-sha256", HMAC_OF_ADA), ("md5", MD5_OF_ADA)])
def test_the_message_is_what_was_asked_for(kind: str, digest: str) -> None:
    renderer = Renderer(facts(unsubscribe_hash=kind), SECRET)
    content = renderer.message(row(student_name="Ada Lovelace", email="Ada+Bees@example.org")).as_bytes()
    link = f"https://www.example.org/unsubscribe?email=ada%2Bbees%40example.org&validation_hash={digest}"
    # Not folded, not encoded: what reads this header looks for the link as it is.
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in content
    assert content.replace(b"\r\n", b"").count(b"\n") == 0
    assert content.endswith(b"\r\n")
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    message = parsed(content)
    assert message["From"] == "Example University Updates <updates@example.org>"
    assert message["To"] == "Ada Lovelace <Ada+Bees@example.org>"
    assert message["Reply-To"] == "bees@example.org"
    assert message["Subject"] == "Congratulations on your progress in Urban Beekeeping"
    assert message["Message-ID"] == MESSAGE_ID_OF_7
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Date"].datetime.utcoffset().total_seconds() == 0
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in parts] == ["utf-8", "utf-8"]
    text, html = (part.get_content() for part in parts)
    assert link in text
    assert link.replace("&", "&amp;") in html


def test_a_test_mail_unsubscribes_the_test_address_and_never_repeats_an_id() -> None:
    renderer = Renderer(DEMO, SECRET)
    first, second = (renderer.message(row(), "ada+bees@example.org") for _ in range(2))
    assert first["To"] == "Learner 7 <ada+bees@example.org>"
    assert HMAC_OF_ADA in first["List-Unsubscribe"]
    assert "learner7" not in first.as_string()
    assert len({first["Message-ID"], second["Message-ID"], MESSAGE_ID_OF_7}) == 3


def test_the_message_id_differs_by_learner_run_and_kind() -> None:
    renderer = Renderer(DEMO, SECRET)
    rows = (
        row(),
        row(8),
        row(trigger_course_instance="ExampleX_BEES1x_2T2026"),
        row(trigger_course_verified=1),
    )
    assert len({renderer.message_id(each) for each in rows}) == 4
    assert renderer.message_id(row(email="other@example.org")) == MESSAGE_ID_OF_7


@pytest.mark.parametrize("name", NASTY_NAMES.values(), ids=NASTY_NAMES.keys())
def test_no_name_breaks_a_header_or_the_page(name: str) -> None:
    content = Renderer(DEMO, SECRET).message(row(student_name=name)).as_bytes()
    head = content.split(b"\r\n\r\n", 1)[0]
    headers = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] != b" "]
    assert headers == [
        b"From",
        b"To",
        b"Reply-To",
        b"Subject",
        b"Date",
        b"Message-ID",
        b"List-Unsubscribe",
        b"List-Unsubscribe-Post",
        b"MIME-Version",
        b"Content-Type",
    ]
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", head)
    message = parsed(content)
    assert [address.addr_spec for address in message["To"].addresses] == ["learner7@example.org"]
    shown = (clean_name(name) or "")[:100].strip()
    # The parser of Python 3.11 puts blanks between encoded words; RFC 2047 wants none.
    raw = str(message_from_bytes(content)["To"]).rsplit("<", 1)[0]
    decoded = "".join(
        part if isinstance(part, str) else part.decode(charset or "ascii")
        for part, charset in decode_header(raw)
    ).strip()
    if decoded.startswith('"'):
        decoded = re.sub(r"\\(.)", r"\1", decoded[1:-1])
    assert "".join(decoded.split()) == "".join(shown.replace("=?", "= ?").split())
    html = cast("EmailMessage", message.get_body(("html",))).get_content()
    assert "<script" not in html
    assert re.search(r"<bdi>[^<>\r\n]+</bdi>", html)
    text = cast("EmailMessage", message.get_body(("plain",))).get_content()
    assert " ".join(text.split()).startswith(f"Dear {clean_name(name)},")


def test_mails_of_one_process_keep_their_own_headers() -> None:
    same = "Ada <ada@example.org>"
    renderers = (
        Renderer(facts(sender=same, reply_to=same, subject="One"), SECRET),
        Renderer(facts(subject="Two"), SECRET),
    )
    learners = [row(student_name=name, email=f"{name.lower()}@example.org") for name in ("Ada", "Bo")]
    heads = [
        [
            str(parsed(renderer.message(learner).as_bytes())[name])
            for name in ("From", "To", "Reply-To", "Subject")
        ]
        for renderer in renderers
        for learner in learners
    ]
    demo = "Example University Updates <updates@example.org>"
    bo = "Bo <bo@example.org>"
    assert heads == [
        [same, same, same, "One"],
        [same, bo, same, "One"],
        [demo, same, "bees@example.org", "Two"],
        [demo, bo, "bees@example.org", "Two"],
    ]


def test_html_in_a_name_is_text() -> None:
    _, html = Renderer(DEMO, SECRET).bodies(row(student_name="<b>&\"'"))
    assert re.search(r"<bdi>&lt;b&gt;&amp;(\"|&#34;)('|&#39;)</bdi>", html)


@pytest.mark.parametrize(
    "email",
    [
        None,
        "",
        "   ",
        "nobody",
        "@example.org",
        "a@",
        "a@@example.org",
        "a b@example.org",
        "a@exa mple.org",
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org,b@example.org",
        "a@example.org>",
        "<a@example.org>",
        '"a b"@example.org',
        "a(b)@example.org",
        "a@[127.0.0.1]",
        "a@[127.0.0.1",
        ".a@example.org",
        "a..b@example.org",
        "a@example..org",
        "j\u00f6rg@example.org",
        "a" * 250 + "@example.org",
        "a@" + "b" * 64 + ".example.org",
        "a\x00@example.org",
    ],
)
def test_what_cannot_be_mailed_is_no_address(email: str | None) -> None:
    with pytest.raises(ValueError, match="not an address that can be mailed"):
        mail_address(email)


def test_a_domain_outside_ascii_is_mailed_by_its_idna_form() -> None:
    assert mail_address("a@b\u00fccher.example").addr_spec == "a@xn--bcher-kva.example"


def test_addresses_in_facts_are_read_as_they_are_pasted() -> None:
    pasted = facts(
        sender="Example University Updates <mailto:updates@example.org>\u200b",
        reply_to="Bees <bees@example.org>;",
        contact_email="\ufeffmailto:bees@example.org",
    )
    renderer = Renderer(pasted, SECRET)
    assert renderer.bodies(row()) == Renderer(DEMO, SECRET).bodies(row())
    message = parsed(renderer.message(row()).as_bytes())
    assert message["From"] == "Example University Updates <updates@example.org>"
    assert message["Reply-To"] == "Bees <bees@example.org>"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"sender": None}, "sender of demo is empty"),
        ({"sender": "Updates"}, "sender of demo is not an address"),
        ({"reply_to": "a@example.org, b@example.org"}, "reply_to of demo is not an address"),
        ({"contact_email": "bees at example.org"}, "contact_email of demo is not an address"),
        ({"unsubscribe_hash": "crc32"}, "unsubscribe_hash of demo is none of hmac-sha256, md5"),
        ({"unsubscribe_base": "http://www.example.org"}, "unsubscribe_base of demo is not a link"),
        ({"unsubscribe_base": "https://www.example.org/\r\nX: y"}, "unsubscribe_base of demo is not a link"),
        ({"language": "xx"}, "language of demo is 'xx', a language in which nobody here can write a day"),
        ({"subject": "a\nBcc: b@example.org"}, "subject of demo has a line break"),
    ],
)
def test_unfit_facts_are_named(broken: dict[str, str | None], says: str) -> None:
    with pytest.raises(ReaderError, match=re.escape(says)):
        Renderer(facts(**broken), SECRET)


@pytest.mark.parametrize(
    ("file", "content", "line", "says"),
    [
        ("html.j2", UNKNOWN_IN_A_BLOCK, 3, "'degre' is undefined"),
        ("txt.j2", "one\n{{ program.titel }}", 2, "no attribute 'titel'"),
        ("txt.j2", "{% if x %}", 1, "Unexpected end of template"),
        ("html.j2", "a\nb\n{{ 'x' | nofilter }}", 3, "nofilter"),
        ("txt.j2", "\n{{ next_course }}", 2, "empty"),
        ("txt.j2", "\n\n{{ student_id + student_name }}", 3, "TypeError"),
        ("txt.j2", "{{ student_name.__class__.__mro__ }}", 1, "unsafe"),
        ("txt.j2", "{{ program.__class__.__mro__ }}", 1, "unsafe"),
        ("txt.j2", "{% include 'nothing.j2' %}", 1, "nothing.j2"),
    ],
)
def test_a_broken_template_is_an_error_with_file_and_line(
    tmp_path: Path, file: str, content: str, line: int, says: str
) -> None:
    learner = row(student_name="Ada", **NO_NEXT_COURSE)
    with pytest.raises(ReaderError) as caught:
        Renderer(DEMO, SECRET, templates_with(tmp_path, file, content)).bodies(learner)
    assert f"{tmp_path / 'programs' / 'demo' / file}, line {line}: " in str(caught.value)
    assert says in str(caught.value)
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "wrapped"),
    [
        ("8", "one two\nthree-\nfour\n\nabcdefgh\nij"),
        ("8, false", "one two\nthree-\nfour\n\nabcdefghij"),
        ("8, false, none, false", "one two\nthree-four\n\nabcdefghij"),
        ("8, wrapstring='/'", "one two/three-/four//abcdefgh/ij"),
        ("", "one two three-four\n\nabcdefghij"),
    ],
)
def test_templates_wrap_words_as_jinja_does(tmp_path: Path, how: str, wrapped: str) -> None:
    own = "{% filter wordwrap(HOW) %}one two three-four\n\nabcdefghij{% endfilter %}".replace("HOW", how)
    assert Renderer(DEMO, SECRET, templates_with(tmp_path, "txt.j2", own)).bodies(row())[0] == wrapped + "\n"


def test_all_mails_are_of_the_templates_that_were_there_first(tmp_path: Path) -> None:
    renderer = Renderer(DEMO, SECRET, templates_with(tmp_path, "txt.j2", "{% extends 'base.txt.j2' %}"))
    before = renderer.bodies(row())
    for path in (tmp_path / "base.txt.j2", tmp_path / "programs" / "demo" / "txt.j2"):
        path.write_text("Something else")
        os.utime(path, (1, 1))
    assert renderer.bodies(row()) == before


def test_the_page_needs_no_style_element_no_image_and_no_other_host() -> None:
    _, html = Renderer(DEMO, SECRET).bodies(row())
    assert html.startswith('<!DOCTYPE html><html lang="en" dir="ltr">')
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert "prefers-color-scheme: dark" in style[1]
    assert re.sub(r"@media[^{]+\{(?:[^{}]+\{[^{}]+\})+\s*\}", "", style[1]).strip() == ""
    without_style = html.replace(style[0], "")
    for tag in re.findall(r"<(?:p|td|h1|h2|a)\b[^>]*>", without_style):
        assert 'style="' in tag
    assert not re.search(r"<(img|link|script|iframe)|url\(|@import", html)
    tables = re.findall(r"<table[^>]*>", html)
    assert tables
    assert all('role="presentation"' in table for table in tables)


@pytest.mark.parametrize("program", ["demo", "buslead", "corpinn", "engy", "lgdm"])
def test_all_programs_render_from_the_command(world: World, program: str) -> None:
    world.publish([candidate(1, program=program)], program)
    out = world.folder / "out"
    done = world.mm("render", program, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "1.eml",
        "1.html",
        "1.txt",
        "index.html",
    ]
    text = (out / "1.txt").read_text(encoding="utf-8")
    degrees = {"demo", "engy", "lgdm"}
    assert ("on-campus Master of" in " ".join(text.split())) is (program in degrees)
    assert ("bees" in text.split("Questions?")[1].splitlines()[3]) is (program == "demo")
    message = parsed((out / "1.eml").read_bytes())
    assert message["To"] == "Learner 1 <learner1@example.org>"
    assert 'href="1.html"' in (out / "index.html").read_text(encoding="utf-8")


def test_render_replaces_what_it_wrote_and_nothing_else(world: World) -> None:
    out = world.folder / "out"
    world.publish([candidate(1), candidate(2), candidate(3)])
    world.mm("render", "demo", "--out", out)
    (out / "notes.txt").write_text("mine")
    (out / "2024.txt").write_text("mine, too")
    done = world.mm("render", "demo", "--out", out, "--limit", 2, MM_UNSUBSCRIBE_SECRET="")
    assert done.returncode == 0
    assert "do not work" in done.stderr
    assert {path.name for path in out.iterdir()} == {
        *("1.eml", "1.html", "1.txt", "2.eml", "2.html", "2.txt", "index.html", "notes.txt", "2024.txt")
    }


def test_render_leaves_a_page_of_somebody_else_alone(world: World) -> None:
    out = world.folder / "out"
    out.mkdir()
    (out / "index.html").write_text('<title>Photos</title><a href="1.html">')
    (out / "1.html").write_text("mine")
    world.publish([candidate(2)])
    done = world.mm("render", "demo", "--out", out)
    assert done.returncode == 1
    assert f"{out / 'index.html'} is no list of mails that `mm render` wrote" in done.stderr
    assert {path.name for path in out.iterdir()} == {"index.html", "1.html"}
