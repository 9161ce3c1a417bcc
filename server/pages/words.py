"""Times, values and names as the pages show them. Owns wording only; the clock is the caller's."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape
from rflow.compiler.durations import show_duration
from rflow.compiler.notes import clean
from rflow.plugins.types import Json

MINUTE, HOUR, DAY = 60, 3600, 86400
SHOWN = 12
"""So many digits of a digest are shown."""
VALUE_MAX = 80
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TICKS = re.compile(r"`([^`\n]+)`")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def span(seconds: float) -> str:
    """A length of time, in at most two units: `40 ms`, `1.4 s`, `3 m 05 s`, `2 h 10 m`."""
    seconds = max(0.0, seconds)
    whole = round(seconds)
    if seconds < 0.9995:
        said = f"{round(seconds * 1000)} ms"
    elif seconds < 9.95:
        said = f"{seconds:.1f} s"
    elif whole < MINUTE:
        said = f"{whole} s"
    elif whole < HOUR:
        said = f"{whole // MINUTE} m {whole % MINUTE:02} s"
    elif whole < DAY:
        said = f"{whole // HOUR} h {whole % HOUR // MINUTE:02} m"
    else:
        said = f"{whole // DAY} d {whole % DAY // HOUR} h"
    return said.replace(" ", "\N{NO-BREAK SPACE}")


def relative(at: float, now: float) -> str:
    """`just now`, `3 min ago`, `in 2 h`."""
    if abs(now - at) < 2:
        return "just now" if at <= now else "now"
    whole = int(abs(now - at))
    if whole < MINUTE:
        said = f"{whole} s"
    elif whole < HOUR:
        said = f"{whole // MINUTE} min"
    elif whole < 2 * DAY:
        said = f"{whole // HOUR} h"
    else:
        said = f"{whole // DAY} days"
    return f"{said} ago" if at < now else f"in {said}"


def iso(at: float) -> str:
    """The moment as HTML's `<time>` has it: UTC, to the second."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact(at: float) -> str:
    """The moment for people, in UTC; the browser puts it into the reader's zone."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def short(digest: str) -> str:
    """The first digits of a digest or a commit; other texts as they are."""
    digits = digest.removeprefix("sha256:")
    return digits[:SHOWN] if _DIGEST.fullmatch(digest) or _SHA.fullmatch(digest) else digest


def value(shown: Json) -> str:
    """A value in a few words; None is absent."""
    match shown:
        case None:
            return "absent"
        case str():
            return _cut(clean(short(shown)))
        case dict():
            return _cut(" ".join(value(part) for part in shown.values()))
        case _:
            return _cut(json.dumps(shown, ensure_ascii=False))


def whole(shown: Json) -> str:
    """A value, all of it: texts as they are, the rest as JSON."""
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, indent=2)


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_MAX else f"{text[: VALUE_MAX - 1]}…"


def resource(name: str, stage: str) -> str:
    """`web@production` on `shop.production` is `web`."""
    return name.removesuffix(f"@{stage.partition('.')[2]}")


def link_to(text: Any) -> str:
    """The address if it is one that a page may link to (http, https), else ""."""
    if not isinstance(text, str):
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""


def in_path(text: str) -> str:
    """The text as one part of a path."""
    return quote(text, safe="@")


def ticks(text: str) -> Markup:
    """A sentence; what stands between backticks in it is code."""
    return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704


def plural(count: int, one: str, many: str = "") -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def line_numbers(text: str) -> str:
    """The numbers of its lines, one a line."""
    return "\n".join(map(str, range(1, text.rstrip("\n").count("\n") + 2)))


FILTERS = {
    "span": span,
    "iso": iso,
    "exact": exact,
    "short": short,
    "value": value,
    "whole": whole,
    "resource": resource,
    "link_to": link_to,
    "in_path": in_path,
    "plural": plural,
    "ticks": ticks,
    "line_numbers": line_numbers,
    "duration": show_duration,
}
