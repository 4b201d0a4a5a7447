"""Fixtures that every test may use."""

from mail_fixtures import server, world

__all__ = ["server", "world"]
