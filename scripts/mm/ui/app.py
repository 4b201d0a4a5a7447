"""The pages: each shows what a command says, and starts commands. `create_app()` is the WSGI application."""

import logging
import traceback
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from mm.config import SEEDS, TEMPLATES, ReaderError
from mm.mail.ready import renderer_of
from mm.mail.render import clean_name
from mm.pages import age, environment
from mm.published import Candidate, database_path, published_at
from mm.report import download_list
from mm.report.export import Format, export
from mm.report.files_in_folder import look
from mm.report.newest_downloads import KINDS
from mm.report.program import write_report
from mm.seeds import check_program, rows_of
from mm.ui import facts, files
from mm.ui.guard import DOCUMENT, Guard
from mm.ui.jobs import Job

# In bytes, of all files of one upload.
LARGEST_UPLOAD = 1 << 30
_ROWS = 50
_TABLES = "select table_name from duckdb_tables() order by all"
_MOVES = "select change, count(*) from changes group by all order by all"
_PAGES = {"downloads": "Downloads", "build": "Build", "report": "Report and data", "mails": "Mails"}
_SHEETS = {"style.css": ("style.css", "ui/ui.css"), "script.js": ("ui/ui.js",)}

_log = logging.getLogger("mm.ui")
_drawing = Lock()
_pages = Blueprint("pages", __name__)
_templates = environment()
_templates.filters |= {"age": age, "kinds": download_list.words, "name": clean_name}


def create_app(guard: Guard, largest_upload: int = LARGEST_UPLOAD) -> Flask:
    """Return the application; largest_upload: in bytes, of all files of one upload."""
    app = Flask("mm", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = largest_upload
    app.extensions["guard"] = guard
    app.before_request(guard.check)
    app.register_blueprint(_pages)
    app.after_request(guard.harden)
    app.register_error_handler(Exception, _say_fault)
    app.register_error_handler(OSError, lambda error: _say(f"{error.filename}: {error.strerror}.", 503))
    app.register_error_handler(ReaderError, lambda error: _say(str(error), 503))
    app.register_error_handler(HTTPException, lambda error: _say(error.description or "", error.code or 400))
    too_large = (
        f"That is more than {largest_upload >> 20} MB at once. Nothing was put there: drop fewer files, or "
        "copy the file into the program's folder yourself."
    )
    app.register_error_handler(413, lambda _: _say(too_large, 413))
    return app


@_pages.url_value_preprocessor
def _check_program(_: str | None, values: dict[str, Any] | None) -> None:
    try:
        if values and "program" in values:
            check_program(values["program"])
    except ReaderError as error:
        abort(404, str(error))


@_pages.get("/")
def _programs() -> str:
    programs = {row["program"]: row["title"] for row in rows_of("programs", SEEDS)}
    now = datetime.now(UTC)
    return _page("programs", titles=programs, programs={each: facts.overview(each, now) for each in programs})


@_pages.route("/<program>/downloads", methods=["GET", "POST"])
def _downloads(program: str) -> str:
    put = [
        (name, *files.put(program, name, each.stream))
        for each in request.files.getlist("files")
        if (name := each.filename)
    ]
    now = datetime.now(UTC)
    runs, notes = facts.read_downloads(program, now)
    return _page("downloads", program, runs=runs, notes=notes, put=put, found=look(program, now))


@_pages.get("/<program>/build")
def _build(program: str) -> str:
    job = Job(program, "build")
    state, built = job.state(), published_at(program)
    # Else somebody has built in a terminal since.
    is_its = state.code == 0 and built is not None and built.timestamp() <= state.ended_at
    changes = (facts.changed(program, job.folder), facts.ask(program, "ui", _MOVES)) if is_its else ([], [])
    return _page("build", program, state=state, built=built, changes=changes)


@_pages.get("/<program>/report")
def _report(program: str) -> str:
    tables = facts.ask(program, "export", _TABLES) if published_at(program) else []
    ways = facts.ways_to_connect(program)
    path = database_path(program).absolute()
    return _page("report", program, tables=tables, formats=list(Format), path=path, ways=ways)


@_pages.get("/<program>/report/page")
def _report_page(program: str) -> Response:
    with _drawing:
        page = write_report(program, now=datetime.now(UTC)).read_text("utf-8")
    return Response(page, headers={DOCUMENT: "1"})


@_pages.post("/<program>/report/export")
def _export(program: str) -> Response:
    kind = request.form.get("format", "")
    if kind not in set(Format):
        abort(400, f"Choose one of the formats {', '.join(Format)}.")
    done = export(program, Format(kind), table=request.form.get("table") or None)
    return send_file(done.path, as_attachment=True)


@_pages.get("/<program>/mails")
def _mails(program: str) -> str:
    jobs = {kind: Job(program, kind).state() for kind in ("send", "test")}
    if published_at(program) is None:
        return _page("mails", program, mails=None, **jobs)
    mails = facts.read_mails(program)
    sought = {"q": request.args.get("q", "").strip(), "outcome": request.args.get("outcome", "")}
    rows = [(each, why) for each, why in mails.whys if _is_sought(each, why, **sought)]
    return _page(
        "mails",
        program,
        mails=mails,
        sought=sought,
        outcomes=sorted({why for _, why in mails.whys}),
        rows=_part(rows, "page"),
        attempts=_part(mails.attempts[::-1], "log"),
        missing=facts.missing_settings(),
        **jobs,
    )


def _is_sought(each: Candidate, why: str, q: str, outcome: str) -> bool:
    who = (each.student_id, each.student_name, each.email, each.username)
    what = (each.trigger_course, each.trigger_course_instance, each.trigger_course_title)
    return outcome in {"", why} and q.casefold() in "\n".join(map(str, who + what)).casefold()


def _part(rows: list[Any], argument: str) -> dict[str, Any]:
    """Return the rows of the page that this argument of the address asks for, from 1."""
    last = max(1, -(-len(rows) // _ROWS))
    number = min(max(request.args.get(argument, 1, int), 1), last)
    some = rows[(number - 1) * _ROWS : number * _ROWS]
    return {"rows": some, "number": number, "last": last, "count": len(rows), "argument": argument}


@_pages.get("/<program>/mails/<int:student_id>", defaults={"part": ""})
@_pages.get("/<program>/mails/<int:student_id>/<any(html):part>")
def _mail(program: str, student_id: int, part: str) -> str | Response:
    found, notes = facts.read_mails(program).selection.mails, []
    place = next((i for i, each in enumerate(found) if each.student_id == student_id), None)
    if place is None:
        abort(404, f"No mail would go out to learner {student_id} now.")
    renderer = renderer_of(program, needs_secret=False, warn=notes.append)
    text, html = renderer.bodies(found[place])
    if part:
        return Response(html, headers={DOCUMENT: "1"})
    message = renderer.message(found[place])
    near = {"Previous": found[place - 1 : place], "Next": found[place + 1 : place + 2]}
    shown = {"text": text, "place": place + 1, "count": len(found), "near": near, "notes": notes}
    return _page("mail", program, mail=found[place], message=message, **shown)


@_pages.get("/<program>/<any(build, send, test):kind>/progress")
def _progress(program: str, kind: str) -> dict[str, object]:
    state = Job(program, kind).state()
    return {name: getattr(state, name) for name in ("is_running", "done", "total", "words")}


@_pages.post("/<program>/<any(build, send, test):kind>/<any(start, stop):what>")
def _start_or_stop(program: str, kind: str, what: str) -> AnyResponse:
    job = Job(program, kind)
    if what == "stop":
        job.stop()
    elif kind == "build":
        if not job.state().is_running:
            facts.keep_numbers(program, job.folder)
        job.start("build", program)
    else:
        number = request.form.get("number", "").strip()
        if not (number.isascii() and number.isdigit()):
            abort(400, "Type a number of mails, in digits. Nothing was sent.")
        test = ["--limit", number, f"--to={request.form.get('to', '').strip()}"]
        job.start("send", program, *(test if kind == "test" else ["--confirm", number]))
    page = "build" if kind == "build" else f"mails#{kind}-mails"
    return redirect(f"/{program}/{page}", 303)


@_pages.get("/<any('style.css', 'script.js'):name>")
def _sheet(name: str) -> Response:
    text = "\n".join((TEMPLATES / each).read_text("utf-8") for each in _SHEETS[name])
    return Response(text, mimetype="text/css" if name.endswith("css") else "text/javascript")


def _page(template: str, program: str = "", **values: object) -> str:
    here = {"program": program, "this_page": template, "pages": _PAGES, "report_kinds": KINDS}
    here |= {"now_utc": datetime.now(UTC), "how_old": download_list.age, "largest": LARGEST_UPLOAD}
    token_for = current_app.extensions["guard"].form_token
    return _templates.get_template(f"ui/{template}.html.j2").render(here, token_for=token_for, **values)


def _say(sentence: str, code: int) -> tuple[str, int, dict[str, str]]:
    # In a frame, it is to be seen there.
    is_framed = request.path.endswith(("/report/page", "/html"))
    return _page("error", says=sentence, code=code), code, {DOCUMENT: "1"} if is_framed else {}


def _say_fault(error: Exception) -> tuple[str, int, dict[str, str]]:
    # Not what it says, which may hold an address.
    where = "".join(traceback.format_tb(error.__traceback__))
    _log.error("A fault, %s, in:\n%s", type(error).__name__, where)
    return _say("This did not work, by a fault of `mm ui` itself. The terminal says where it is.", 500)
