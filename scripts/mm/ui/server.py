"""Run the pages on this machine, by waitress, which keeps no access log and so no address."""

import logging
import signal
import sys
import tempfile
from collections.abc import Callable

import waitress

from mm.config import PROJECT
from mm.ui.app import LARGEST_UPLOAD, create_app
from mm.ui.guard import HOST, Guard


def serve(port: int, when_ready: Callable[[str, str], None]) -> None:
    """Serve the pages at a port of this machine until SIGTERM or Ctrl-C.

    when_ready: is told the address that lets a browser in, and one that does so once.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    # Each tab asks twice a second how far the work is.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    # What is uploaded waits beside the rest of the personal data, not in a folder of the whole machine.
    folder = PROJECT / "out" / "ui"
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)
    guard = Guard(port)
    server = waitress.create_server(
        create_app(guard),
        host=HOST,
        port=port,
        threads=8,
        # Somewhat more than the pages take, so that it is they who say it.
        max_request_body_size=LARGEST_UPLOAD + LARGEST_UPLOAD // 8,
        max_request_header_size=16 * 1024,
        asyncore_use_poll=True,
        ident=None,
    )
    # Started in the background of a shell, it ignores Ctrl-C, and so would the commands that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    when_ready(*(f"http://{HOST}:{port}/?token={token}" for token in (guard.token, guard.token_once)))
    server.run()
