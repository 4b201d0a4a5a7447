"""The commands. They alone know all rooms."""

from mm.cli import build, mails, reports, sending, unsubscribe
from mm.cli.app import app

__all__ = ["app", "build", "mails", "reports", "sending", "unsubscribe"]
