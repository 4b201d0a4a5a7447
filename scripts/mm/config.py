"""Where things are, each variable of the environment, and the one kind of error that a reader is shown.

profiles.yml reads MM_DATA_DIR, MM_DATABASE_DIR and MM_MEMORY_LIMIT for dbt, and those of a cluster.
"""

import os
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATES = PROJECT / "templates"
SEEDS = PROJECT / "seeds"
# Files that hold learners are for their owner and group: 0640, folders 0750.
PRIVATE_UMASK = 0o027

# The published file of all programs together, which no program is called.
ALL_PROGRAMS = "all_programs"

_SHORTEST_SECRET = 16


class ReaderError(Exception):
    """What went wrong, in a sentence for the reader; never holds an address or a name."""


def database_dir() -> Path:
    """Return the folder of the published databases and the ledger: MM_DATABASE_DIR, else `database`.

    A relative path starts at the project's root, where dbt runs, not at the current folder.
    """
    return PROJECT / os.environ.get("MM_DATABASE_DIR", "database")


def data_dir() -> Path:
    """Return the folder of the downloads and of unsubscribed.csv: MM_DATA_DIR, else `data`.

    Where MM_DATA_DIR is a URL, the downloads are there, and the lists in `data`.
    """
    return PROJECT / ("data" if data_url() else os.environ.get("MM_DATA_DIR", "data"))


def data_url() -> str | None:
    """Return where the downloads are, without a slash at its end; None: in a folder."""
    text = os.environ.get("MM_DATA_DIR", "")
    return text.rstrip("/") if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", text) else None


def check_downloads_here() -> None:
    """Raise ReaderError where the downloads are at a URL."""
    if url := data_url():
        message = (
            f"The downloads are at {url}, which only `mm build PROGRAM --on cluster` reads: "
            "set MM_DATA_DIR to a folder."
        )
        raise ReaderError(message)


def short_secret(name: str, secret: str, who_guesses: str) -> str | None:
    """Say that a secret is too short to be one, without a full stop; None: it is not.

    name: of its variable. who_guesses: what somebody can do who finds it by trying.
    """
    if len(secret) >= _SHORTEST_SECRET:
        return None
    return (
        f"{name} has {len(secret)} characters, and who guesses it {who_guesses}: expected {_SHORTEST_SECRET} "
        "or more, such as `openssl rand -base64 32` prints"
    )


def memory_limit() -> str:
    """Return how much memory DuckDB may take, by MM_MEMORY_LIMIT, as it stands there."""
    return os.environ.get("MM_MEMORY_LIMIT", "2GB")


def mask_secret_as_given() -> str | None:
    """Return MM_MASK_SECRET as it is; None: it is not set."""
    return os.environ.get("MM_MASK_SECRET")


def unsubscribe_secret_as_given() -> str:
    """Return MM_UNSUBSCRIBE_SECRET as it is; empty: it is not set."""
    return os.environ.get("MM_UNSUBSCRIBE_SECRET", "")


def smtp_url() -> str:
    """Return MM_SMTP_URL as it is; empty: it is not set."""
    return os.environ.get("MM_SMTP_URL", "")


def smtp_timeout() -> float:
    """Return how many seconds a mail server has for an answer: MM_SMTP_TIMEOUT, else 30."""
    return _seconds("MM_SMTP_TIMEOUT", 30)


def smtp_backoff() -> float:
    """Return how many seconds the first pause after a temporary refusal takes: MM_SMTP_BACKOFF, else 2."""
    return _seconds("MM_SMTP_BACKOFF", 2)


def progress_seconds() -> float:
    """Return how many seconds lie between two lines of progress: MM_PROGRESS_SECONDS, else 10."""
    return _seconds("MM_PROGRESS_SECONDS", 10)


def is_debugging() -> bool:
    """Tell whether errors are to be shown with where in the code they came up: MM_DEBUG=1."""
    return os.environ.get("MM_DEBUG") == "1"


def _seconds(name: str, default: float) -> float:
    """Return a positive number of seconds from the environment; ReaderError for anything else."""
    text = os.environ.get(name, "")
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = 0
    # A comparison with NaN is false, so NaN is refused too.
    if not 0 < seconds < float("inf"):
        message = f"{name} is {text!r}: expected a number of seconds above 0, such as 30."
        raise ReaderError(message)
    return seconds
