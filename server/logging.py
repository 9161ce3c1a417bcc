"""The server's log: one JSON object a line, with the run and the node it speaks of.

Owns the form of the log and of the access log. A secret never stands in it: query strings are not
logged, parts of a path that could be a token are not, and what looks like a token of rflow's is
taken out of every line.
"""

from __future__ import annotations

import datetime
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from typing import IO, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FIELDS = (
    "run",
    "node",
    "number",
    "delivery",
    "subscription",
    "method",
    "path",
    "status",
    "seconds",
    "client",
)
"""What a record may carry in `extra`; it is a field of its own in the line."""

Form = Literal["json", "text"]
Counted = Callable[[str, str, int, float], None]

access = logging.getLogger("rflow.access")

_SECRETS = re.compile(
    r"rflow_[a-z2-9]{10}_[A-Za-z0-9_-]{20,}|whsec_[A-Za-z0-9+/=]+|(?<=Bearer )\S+"
    r"|(?<=/release-flows/)[^\s/?\"']+"
)
_LONG = re.compile(r"[A-Za-z0-9_%~.=+-]{20,}")
_QUIET = ("/healthz", "/readyz", "/metrics")


def scrubbed(text: str) -> str:
    """The text without what looks like a secret of rflow's."""
    return _SECRETS.sub("***", text)


def path_shown(path: str) -> str:
    """A path of a request without the parts that could be tokens, and in one line."""
    shown = scrubbed(path.encode("ascii", "backslashreplace").decode())
    parts = ["***" if _LONG.fullmatch(part) else part for part in shown.split("/")]
    plain = "/".join(parts)[:300]
    return "".join(char if char.isprintable() else "?" for char in plain)


class Json(logging.Formatter):
    """A record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, object] = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrubbed(record.getMessage()),
        }
        for name in FIELDS:
            if (value := getattr(record, name, None)) is not None:
                line[name] = value
        if record.exc_info:
            line["exception"] = scrubbed(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str).encode(errors="replace").decode()


class Text(logging.Formatter):
    """A record as a line for people."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        names = ("seconds", "client") if record.name == access.name else FIELDS
        about = [f"{name}={value}" for name in names if (value := getattr(record, name, None))]
        line = " ".join([at, record.levelname.lower(), record.getMessage(), *about])
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return scrubbed(line)


def install(
    form: Form, level: int = logging.INFO, stream: IO[str] | None = None
) -> Callable[[], None]:
    """Write rflow's log, and the web server's, in this form; undone by calling the result."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if form == "json" else Text())
    loggers = [logging.getLogger(name) for name in ("rflow", "uvicorn.error")]
    before = [(one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(level if one.name == "rflow" else logging.WARNING)
        one.propagate = False

    def undo() -> None:
        for one, (old, passed) in zip(loggers, before, strict=True):
            one.removeHandler(handler)
            one.setLevel(old)
            one.propagate = passed

    return undo


class Access:
    """Logs and counts requests: around the whole application."""

    def __init__(self, app: ASGIApp, counted: Counted) -> None:
        self._app, self._counted = app, counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            self._tell(scope, status, time.monotonic() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", None) or "other"
        self._counted(method, route, status, seconds)
        if (route in _QUIET or scope["path"].startswith("/static/")) and status < 400:
            return
        client = scope.get("client")
        shown = path_shown(scope["path"])
        extra = {
            "method": method,
            "path": shown,
            "status": status,
            "seconds": round(seconds, 4),
            "client": client[0] if client else None,
        }
        access.info("%s %s %s", method, shown, status, extra=extra)


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
