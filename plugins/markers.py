"""What an author says of an input or an output beyond its type, in `Annotated[…]`.

    unit: Annotated[str, Doc("The unit to restart."), Trusted]

The standard library and msgspec only, and nothing but values: what they mean is said in `derive`.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Struct


class Doc(Struct, frozen=True):
    """What an input or output is, in a sentence or two."""

    text: str


class Mark(Enum):
    """The marks; authors use the names below."""

    TRUSTED = "Trusted"
    TAKES_SECRET = "TakesSecret"  # noqa: S105
    PROGRAM = "Program"
    SECRET = "Secret"  # noqa: S105
    UNTRUSTED = "Untrusted"
    DURATION = "Duration"
    ARTIFACT = "Artifact"


Trusted = Mark.TRUSTED
"""On an input: text that comes from outside is refused."""

TakesSecret = Mark.TAKES_SECRET
"""On an input: a secret may be given, in it or in a value within it."""

Program = Mark.PROGRAM
"""On an input: it is a shell script, and references in it are its data, never its text."""

Secret = Mark.SECRET
"""On an output: its value is a secret."""

Untrusted = Mark.UNTRUSTED
"""On an output: its text comes from outside."""

Duration = Annotated[float, Mark.DURATION]
"""A duration, in seconds."""

Artifact = Annotated[str, Mark.ARTIFACT]
"""The digest of an artifact, `sha256:…`; `ctx.artifacts` has the file."""
