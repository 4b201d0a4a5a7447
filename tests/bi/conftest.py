"""The one Superset that all tests here share."""

from superset_fixtures import superset

__all__ = ["superset"]
