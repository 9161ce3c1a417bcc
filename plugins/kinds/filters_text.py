"""The filters over text. Pure: the same text and arguments give the same result anywhere."""

from __future__ import annotations

import base64 as _base64
import binascii
import re
import shlex
import unicodedata
from datetime import UTC, datetime

from rflow.plugins import define_filter

_DATE_LETTERS = frozenset("aAbBdHIjmMpSuVyY%")


@define_filter("(string) -> string", example='"Ab" | base64 gives "QWI="', northflank="toBase64")
def base64(text: str) -> str:
    """The text, as UTF-8, in base64."""
    return _base64.b64encode(text.encode()).decode("ascii")


@define_filter(
    "(string) -> string", example='"QWI=" | from_base64 gives "Ab"', northflank="fromBase64"
)
def from_base64(text: str) -> str:
    """The text that the base64 stands for."""
    try:
        return _base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise ValueError("from_base64: this is not the base64 of a text in UTF-8") from None


@define_filter(
    "(string) -> string",
    example='"Release/1.2 (Müller)" | slug gives "release-1-2-muller"',
    cleans=True,
    northflank="slug",
)
def slug(text: str) -> str:
    """A name for places that take only a-z, 0-9 and hyphens: lower case, accents dropped, all
    else one hyphen, at most 63 characters. The result is trusted whatever went in."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    found = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].rstrip("-")
    if not found:
        raise ValueError("slug: the text has no letter or digit from which to make a name")
    return found


@define_filter("(string) -> string", example='"4f2c1e0…" | short gives its first 12 characters')
def short(text: str) -> str:
    """The first 12 characters of a sha."""
    return text[:12]


@define_filter(
    "(N, string?) -> string",
    example='run.started | date gives "2026-11-23T09:30:00Z", date("%Y-%m-%d") "2026-11-23"',
    northflank="date",
)
def date(seconds: float, form: str | None = None) -> str:
    """A time, in seconds since 1970, as text in UTC; the form is that of strftime, of which
    `%a %A %b %B %d %H %I %j %m %M %p %S %u %V %y %Y %%` are taken."""
    form = "%Y-%m-%dT%H:%M:%SZ" if form is None else form
    for found in re.findall(r"%(.?)", form):
        if found not in _DATE_LETTERS:
            raise ValueError(f"date: `%{found}` is none of those that are taken")
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime(form)
    except (OverflowError, OSError, ValueError):
        raise ValueError(f"date: {seconds!r} is no time that a calendar has") from None


@define_filter("(string) -> string", example="\"it's\" | sh gives 'it'\"'\"'s'")
def sh(text: str) -> str:
    """Quoted for a shell that reads the text again, as behind `ssh` or in `sh -c`."""
    if "\0" in text:
        raise ValueError("sh: a NUL character cannot be passed to a program")
    return shlex.quote(text)


@define_filter("(string) -> string", example='"web" | upper gives "WEB"', northflank="toUpper")
def upper(text: str) -> str:
    """In capital letters."""
    return text.upper()


@define_filter("(string) -> string", example='"Web" | lower gives "web"', northflank="toLower")
def lower(text: str) -> str:
    """In small letters."""
    return text.lower()


@define_filter("(string) -> string", example='" web " | trim gives "web"')
def trim(text: str) -> str:
    """Without white space at its start and end."""
    return text.strip()


@define_filter(
    "(string, string, string) -> string",
    example='"a-b-c" | replace("-", "+") gives "a+b-c"',
    northflank="replace",
)
def replace(text: str, old: str, new: str) -> str:
    """With the first occurrence of a text replaced by another."""
    return text.replace(old, new, 1)


@define_filter(
    "(string, string, string) -> string",
    example='"a-b-c" | replace_all("-", "+") gives "a+b+c"',
    northflank="replaceAll",
)
def replace_all(text: str, old: str, new: str) -> str:
    """With all occurrences of a text replaced by another."""
    return text.replace(old, new)


@define_filter(
    "(string, string, int?) -> list(string)",
    example='"a,b,c" | split(",", 2) gives ["a", "b"]',
    northflank="split",
)
def split(text: str, separator: str, limit: int | None = None) -> list[str]:
    """The parts between the separators, at most `limit` of them; an empty separator gives the
    single characters."""
    parts = text.split(separator) if separator else list(text)
    if limit is not None and limit < 0:
        raise ValueError("split: the limit must not be negative")
    return parts if limit is None else parts[:limit]


@define_filter(
    "(list(string | int | float | bool), string?) -> string",
    example='["a", "b"] | join("-") gives "a-b"',
    northflank="join",
)
def join(items: list[str | int | float | bool], separator: str | None = None) -> str:
    """The elements as one text, a comma between them unless said otherwise."""
    shown = (("true" if i else "false") if isinstance(i, bool) else str(i) for i in items)
    return ("," if separator is None else separator).join(shown)


@define_filter(
    "(string, string) -> int",
    example='"release/1" | index_of("/") gives 7',
    cleans=True,
    northflank="indexOf",
)
def index_of(text: str, part: str) -> int:
    """Where a text begins in this one, from 0; -1 if it does not occur."""
    return text.find(part)


@define_filter(
    "(string, string) -> bool",
    example='"release/1" | starts_with("release/") gives true',
    cleans=True,
)
def starts_with(text: str, part: str) -> bool:
    """Whether it begins with this text."""
    return text.startswith(part)


@define_filter(
    "(string, string) -> bool", example='"a.tar.gz" | ends_with(".gz") gives true', cleans=True
)
def ends_with(text: str, part: str) -> bool:
    """Whether it ends with this text."""
    return text.endswith(part)


FILTERS = (
    base64,
    from_base64,
    slug,
    short,
    date,
    sh,
    upper,
    lower,
    trim,
    replace,
    replace_all,
    split,
    join,
    index_of,
    starts_with,
    ends_with,
)
