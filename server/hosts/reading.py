"""Reading what a host sends: JSON of which nothing is taken for granted.

A message may be of another version than the one it was written for, or of somebody who means
harm: what is not as it must be raises `Malformed`, which says what and where. Texts come out
without what neither JSON nor a terminal can carry.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from rflow.server.events import is_ref_name, is_sha

TEXT_MAX = 100_000
_UNFIT = re.compile("[\x00\ud800-\udfff]")

Headers = Mapping[str, str]
"""By name, in small letters."""


class Malformed(ValueError):
    """A message is not as its host writes them."""


def parse(body: bytes) -> dict[str, Any]:
    """The object that a body holds."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else str(error)
        raise Malformed(f"the body is no JSON: {reason}") from None
    if not isinstance(found, dict):
        raise Malformed("the body is no JSON object")
    return found


def dig(of: Any, path: str) -> Any:
    """What stands at `a.b.c`, None where it does not."""
    for name in path.split("."):
        of = of.get(name) if isinstance(of, dict) else None
    return of


def clean(value: str) -> str:
    """A text without NUL and halves of characters, cut where it is very long."""
    return _UNFIT.sub("\ufffd", value[:TEXT_MAX])


def text(of: Any, path: str, default: str | None = None) -> str:
    """The text at a path."""
    found = dig(of, path)
    if isinstance(found, str):
        return clean(found)
    if found is None and default is not None:
        return default
    raise Malformed(f"`{path}` is not text")


def number(of: Any, path: str) -> int:
    """The whole number at a path."""
    found = dig(of, path)
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1 << 53:
        return found
    raise Malformed(f"`{path}` is no number")


def flag(of: Any, path: str) -> bool:
    """Whether it says true there."""
    return dig(of, path) is True


def items(of: Any, path: str) -> list[Any]:
    """The list at a path; empty where there is none."""
    found = dig(of, path)
    if found is None:
        return []
    if isinstance(found, list):
        return found
    raise Malformed(f"`{path}` is no list")


def texts(of: Any, path: str) -> list[str]:
    """The texts of a list."""
    found = items(of, path)
    if all(isinstance(item, str) for item in found):
        return [clean(item) for item in found]
    raise Malformed(f"`{path}` is no list of texts")


def addresses(*found: Any) -> tuple[str, ...]:
    """The addresses of a repository that a message has, each once; at least one."""
    there = dict.fromkeys(clean(one) for one in found if isinstance(one, str) and one.strip())
    if not there:
        raise Malformed("it does not say which repository it is about")
    return tuple(there)


def sha(of: Any, path: str) -> str:
    """The commit at a path, in full or, where a host writes no more, its beginning."""
    found = text(of, path).lower()
    if not is_sha(found):
        raise Malformed(f"`{path}` is no commit")
    return found


def ref_name(name: str, path: str) -> str:
    """A branch or tag that git would let be called so."""
    if not is_ref_name(name):
        raise Malformed(f"`{path}` is no name of git's: {name[:80]!r}")
    return name


def signed(secret: bytes, body: bytes, given: str, prefix: str = "sha256=") -> bool:
    """Whether the text is the hexadecimal HMAC-SHA256 of the body; in constant time."""
    wanted = prefix + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return same(wanted, given)


def same(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )
