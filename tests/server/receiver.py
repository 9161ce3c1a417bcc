"""A receiver of messages: a real web server that answers as the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """`answers` are given one after the other, the last for ever: a status, or a status with
    headers. `received` holds path, headers (names in small letters) and body of each request."""

    def __init__(self) -> None:
        self.answers: list[int | tuple[int, dict[str, str]]] = [204]
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.before: Callable[[], object] = lambda: None
        self._new = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.before()
                with outer._new:
                    answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                    outer.received.append((self.path, headers, body))
                    outer._new.notify_all()
                status, extra = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/token-of-the-hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def wait(self, count: int) -> list[tuple[str, dict[str, str], bytes]]:
        """What was received, as soon as it is so much."""
        with self._new:
            assert self._new.wait_for(lambda: len(self.received) >= count, 30), self.received
            return list(self.received)

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver, closed at the end."""
    found = Receiver()
    try:
        yield found
    finally:
        found.close()
