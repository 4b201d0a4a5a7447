"""Run the unsubscribe page on this machine, by waitress, which keeps no access log and so no address."""

import logging
import signal
import sys
from collections.abc import Callable

import waitress

from mm.config import ReaderError
from mm.ledger.ledger import Ledger
from mm.unsubscribe.page import LARGEST_BODY, create_app

_HOST = "127.0.0.1"

_log = logging.getLogger("mm.unsubscribe")


def serve(port: int, when_ready: Callable[[], None]) -> None:
    """Serve the page at a port of this machine until SIGTERM or Ctrl-C.

    when_ready: called when requests can come in. ReaderError as create_app.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    # It would write a line for each request that waits while a mailbox provider posts for thousands.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    app = create_app()
    try:
        with Ledger():
            pass
    except ReaderError as error:
        # It serves all the same, and as soon as that is mended it works.
        _log.error("%s", error)
    server = waitress.create_server(
        app,
        host=_HOST,
        port=port,
        threads=8,
        max_request_body_size=LARGEST_BODY + 1,
        max_request_header_size=16 * 1024,
        connection_limit=500,
        channel_timeout=20,
        asyncore_use_poll=True,
        ident=None,
    )
    # So that a service manager ends it as gently as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    when_ready()
    server.run()
