"""The commands. They alone know all rooms."""

from mm.cli import mails, reports, sending, unsubscribe
from mm.cli.app import app

__all__ = ["app", "mails", "reports", "sending", "unsubscribe"]
