"""Forms that pages send: read with a limit, and only from a page of the same session."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from rflow.server.pages.who import View
from rflow.server.problems import Answer
from rflow.server.sessions import Session, is_csrf

SIZE_MAX = 1024 * 1024
FIELDS_MAX = 2000
KIND = "application/x-www-form-urlencoded"


class Form:
    """What was filled in: each name with its values, in order."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value.replace("\r\n", "\n"))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """The last value of a field, "" if it is not there."""
        return self._values.get(name, [""])[-1]

    def texts(self, name: str) -> list[str]:
        """All values of a field."""
        return list(self._values.get(name, ()))

    def under(self, prefix: str) -> dict[str, str]:
        """The fields whose name begins so, by the rest of it."""
        return {
            name.removeprefix(prefix): values[-1]
            for name, values in self._values.items()
            if name.startswith(prefix)
        }


async def read_form(request: Request) -> Form:
    """The form of a request. Answer where it is none, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != KIND:
        raise Answer(415, "this is no form", help=f"forms are sent as `{KIND}`")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > SIZE_MAX:
            raise Answer(413, "the form is too large", help=f"at most {SIZE_MAX} bytes are taken")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError:
        raise Answer(400, "the form cannot be read") from None
    return Form([pair for pair in pairs if "\0" not in pair[0] + pair[1]])


async def _posted(request: Request, who: View) -> Form:
    session: Session | None = getattr(request.state, "session", None)
    form = await read_form(request)
    if session is None or not is_csrf(session, form.text("csrf")):
        raise Answer(
            403,
            "the form does not come from a page of this session",
            help="go back, load the page again and send it once more",
        )
    return form


Posted = Annotated[Form, Depends(_posted)]
"""The form of a page of the session that sends it."""
