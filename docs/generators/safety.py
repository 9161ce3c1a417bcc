"""The page on what `rflow diff` tells of a change to a flow."""

from __future__ import annotations

from rflow.compiler.safety_codes import SECTIONS

from generators.markdown import code, table

PAGE = """\
# What a change to a flow means

The codes of `rflow diff OLD.rflow NEW.rflow`, which stand in its `--format json`. A *risk* takes
away a protection that was there, and makes the exit code 1; a *caution* opens something that
somebody should look at; a *note* is what a reviewer wants to know of. How to use it: [review a
change to a flow](../how-to/review-a-change.md).

"""


def page() -> str:
    """All codes, by what they are about."""
    parts = [PAGE]
    for title, codes in SECTIONS.items():
        rows = [(code(one.code), " or ".join(one.levels), one.means) for one in codes]
        parts += [f"## {title}\n\n", table(("code", "level", "what it means"), rows)]
    return "".join(parts).rstrip() + "\n"
