"""Which templates a program's mails are made of, and in which language each part of them is."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError, nodes

from mm import days
from mm.config import SEEDS, TEMPLATES, ReaderError
from mm.days import same_tag
from mm.published import Program
from mm.seeds import rows_of

# Each part of a mail, and how it is called.
_PARTS = {"txt.j2": "text", "html.j2": "HTML"}
_PLACES = ("programs", "languages")
_OF_BASE = "en"


@dataclass(frozen=True, slots=True)
class Part:
    """The template of a part of the mails, by its path below the templates, and the language of its days."""

    template: str
    days_in: str


@dataclass(frozen=True, slots=True)
class MailTemplates:
    """A program's templates. notes: what who sends should know of them, in sentences."""

    text: Part
    html: Part
    notes: tuple[str, ...]


def choose(program: Program, templates: Path = TEMPLATES, seeds: Path = SEEDS) -> MailTemplates:
    """Return the program's own templates, else its language's, else the base; those of old places, too.

    ReaderError where two folders are for one language.
    """
    return _Choice(program, templates, seeds).choose()


class _Choice:
    def __init__(self, program: Program, templates: Path, seeds: Path) -> None:
        self._program = program
        self._templates = templates
        self._programs = {row["program"].lower() for row in rows_of("programs", seeds)} | {program.program}
        self._folders = self._folders_of_languages()

    def choose(self) -> MailTemplates:
        chosen = {kind: self._template(kind) for kind in _PARTS}
        languages = {kind: self._language_of(name) for kind, name in chosen.items()}
        own = self._program.language
        text, html = (
            Part(chosen[kind], own if _is_same(languages[kind], own) else languages[kind]) for kind in _PARTS
        )
        others = {kind: languages[kind] for kind in _PARTS if not _is_same(languages[kind], own)}
        old = {name.partition("/")[0] for name in chosen.values() if self._is_in_old_place(name)}
        notes = [self._note_of_old_place(folder) for folder in sorted(old)]
        if others:
            notes.append(self._note_of_language(others, chosen))
        return MailTemplates(text, html, tuple(notes))

    def _folders_of_languages(self) -> dict[str, str]:
        """Return for each language which folder has its templates."""
        folders: dict[str, str] = {}
        for path in _folders_in(self._templates / "languages"):
            tag = same_tag(path.name)
            if tag in folders:
                message = f"{self._templates / folders[tag]} and {path} are for the same language: keep one."
                raise ReaderError(message)
            folders[tag] = f"languages/{path.name}"
        for path in _folders_in(self._templates):
            if path.name not in _PLACES and path.name.lower() not in self._programs:
                folders.setdefault(same_tag(path.name), path.name)
        return folders

    def _template(self, kind: str) -> str:
        code = self._program.program
        folders = [f"programs/{code}", code]
        subtags = same_tag(self._program.language).split("-")
        for count in range(len(subtags), 0, -1):
            folders += [folder for tag, folder in self._folders.items() if tag == "-".join(subtags[:count])]
        names = (f"{folder}/{kind}" for folder in folders)
        return next((name for name in names if (self._templates / name).is_file()), f"base.{kind}")

    def _language_of(self, name: str) -> str:
        """Return the language of a template's words: that of the first with one that it builds on."""
        seen: list[str] = []
        while name not in seen:
            seen.append(name)
            folder = name.rpartition("/")[0]
            for tag, of_language in self._folders.items():
                if folder == of_language:
                    return tag
            if name.startswith("base."):
                return _OF_BASE
            name = self._extended_by(name)
        # It stands alone.
        return self._program.language

    def _extended_by(self, name: str) -> str:
        try:
            source = (self._templates / name).read_text("utf-8")
            extends = Environment(autoescape=True).parse(source).find(nodes.Extends)
        except (OSError, ValueError, TemplateSyntaxError):
            # Rendering says what is wrong with it.
            return name
        known = extends is not None and isinstance(extends.template, nodes.Const)
        return extends.template.value if known else name

    def _is_in_old_place(self, name: str) -> bool:
        return "/" in name and not name.startswith(tuple(f"{place}/" for place in _PLACES))

    def _note_of_old_place(self, folder: str) -> str:
        place = "programs" if folder == self._program.program else "languages"
        return f"Move {self._templates / folder} to {self._templates / place / folder}, its place by now."

    def _note_of_language(self, others: dict[str, str], chosen: dict[str, str]) -> str:
        program, language = self._program.program, self._program.language
        its_folder = self._folders.get(same_tag(language), f"languages/{language}")
        parts = " and ".join(_PARTS[kind] for kind in others)
        names = " and ".join(dict.fromkeys(map(_name_of, others.values())))
        reasons = [
            f"{self._templates / chosen[kind]} does not build on it"
            if (self._templates / its_folder / kind).is_file()
            else f"there is no {self._templates / its_folder / kind}"
            for kind in others
        ]
        return (
            f"The language of {program} is {language}, but its mails have their {parts}, days included, in "
            f"{names}: {', and '.join(reasons)}."
        )


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _is_same(one: str, other: str) -> bool:
    """Tell whether two tags are of one language, whatever the country."""
    return same_tag(one).partition("-")[0] == same_tag(other).partition("-")[0]


def _name_of(language: str) -> str:
    return days.locale_of(language).get_language_name("en") or language
