"""Answers of the API: the runner's own values as JSON, and their schemas.

A value that the runner yields is a `Struct`; its JSON has the same names, and its schema is made
from it, so that the description and the answer are one. Times are seconds since 1970. A list comes
in pages: `items`, and `next`, the cursor of the page after it (null on the last one).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import GenericAlias
from typing import Any, get_args, get_origin, get_type_hints

from fastapi import Request, Response
from msgspec import Struct, StructMeta
from pydantic import BaseModel, Field, create_model
from rflow.server.problems import MEDIA_TYPE, Answer


class Problem(BaseModel):
    """An error, RFC 9457: what was expected, what was found, what to do."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["there is no run `7k2m`"])
    status: int = Field(examples=[404])
    detail: str | None = None
    help: str | None = Field(None, examples=["`rflow runs` lists those there are"])
    code: str | None = Field(None, examples=["RF930"])
    errors: list[dict[str, Any]] | None = Field(None, description="All that is wrong, one each.")


WORDS = {
    400: "The request cannot be read.",
    401: "A token is needed, or the one that was sent is not valid.",
    403: "The token's role is too small.",
    404: "There is no such thing.",
    409: "It cannot be done now; nothing has changed.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The request is not as described, or a value in it is wrong; nothing has changed.",
    503: "The state cannot be used.",
}


PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
"""The content of every error answer, as it is described."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its description."""
    return {
        status: {"description": WORDS[status], "content": PROBLEM}
        for status in (401, 403, *statuses, 422, 503)
    }


# -- values as JSON ------------------------------------------------------------------------------


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(name for name in cls.__struct_fields__ if not name.startswith("_"))


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def encoded(value: Any) -> bytes:
    """A value as JSON; each `Struct` becomes an object."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "replace")


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    """A value as an answer."""
    named = {name.replace("_", "-"): of for name, of in headers.items()}
    return Response(encoded(value), status, named, "application/json")


def tag(*parts: object) -> str:
    """The `ETag` of what is made of these."""
    return f'"{sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:24]}"'


def unchanged(request: Request, etag: str) -> Response | None:
    """The answer to somebody who has it already, None if they have not."""
    known = request.headers.get("if-none-match", "")
    if etag not in [each.strip().removeprefix("W/") for each in known.split(",")]:
        return None
    return Response(status_code=304, headers={"ETag": etag})


# -- pages ---------------------------------------------------------------------------------------


def cursor(kind: str, at: str | int) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode(f"{kind} {at}".encode()).decode().rstrip("=")


def read_cursor(kind: str, text: str | None) -> str | None:
    """What a cursor says. Answer 422 for one that is none of this list's."""
    if text is None:
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        data = ""
    found, _, at = data.partition(" ")
    if found != kind or not at:
        raise Answer(422, "this is no cursor of this list", help="take it from `next`, as it is")
    return at


def page(items: Sequence[Any], next: str | None = None) -> Response:
    """A page of a list."""
    return answer({"items": items, "next": next})


# -- schemas -------------------------------------------------------------------------------------


@cache
def shape(cls: type) -> type[BaseModel]:
    """The schema of a value of the runner."""
    hints = get_type_hints(cls, localns={"Json": Any})
    fields: dict[str, Any] = {
        name: (_shaped(hints[name]), ...) for name in _names(cls) if name in hints
    }
    doc = (cls.__doc__ or cls.__name__).strip()
    return create_model(cls.__name__, __doc__=doc, **fields)


def _shaped(hint: Any) -> Any:
    if isinstance(hint, StructMeta):
        return shape(hint)
    if hint is Path:
        return str
    origin, parts = get_origin(hint), get_args(hint)
    if origin is None or not parts:
        return hint
    if origin is tuple and parts[-1] is Ellipsis:
        return GenericAlias(list, (_shaped(parts[0]),))
    shaped = tuple(_shaped(part) for part in parts)
    return hint if shaped == parts else _again(origin, shaped)


def _again(origin: Any, parts: tuple[Any, ...]) -> Any:
    """The generic type with other parts."""
    if origin in (list, dict, tuple):
        return GenericAlias(origin, parts)
    made = parts[0]
    for part in parts[1:]:
        made = made | part
    return made


@cache
def pages(item: type[BaseModel]) -> type[BaseModel]:
    """The schema of a page of these."""
    fields: dict[str, Any] = {
        "items": (GenericAlias(list, (item,)), ...),
        "next": (str | None, Field(..., description="The cursor of the next page.")),
    }
    return create_model(
        f"PageOf{item.__name__}",
        __doc__="A page of a list.",
        **fields,
    )
