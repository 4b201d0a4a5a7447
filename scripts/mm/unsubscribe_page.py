"""The page by the name that WSGI servers are set up with: `mm.unsubscribe_page:create_app()`."""

from mm.unsubscribe.page import create_app

__all__ = ["create_app"]
