"""How much a file may hold, and how many of its mistakes are told.

What a file of ten megabytes takes to be read depends on what it is full of: a page of text in a
script is one token, a list of numbers is thousands. So not only bytes are counted.
"""

from __future__ import annotations

from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source

TOKENS_MAX = 1_250_000
"""Words, signs, strings and comments of a file. 50,000 nodes as people write them are fewer."""

REFERENCES_MAX = 500_000
"""`$<…>` in a file, those in strings included."""

RF137 = Code(
    "RF137",
    "too many mistakes",
    "After a hundred mistakes of syntax the rest of a file is not read: it is probably no file of "
    "rflow. After a thousand mistakes of any kind no more are looked for.",
)
RF152 = Code(
    "RF152",
    "the file holds too much",
    f"A file has at most {TOKENS_MAX:,} words, signs, strings and comments, and at most "
    f"{REFERENCES_MAX:,} references: more than that would take gigabytes to check. Files import "
    "one another; content that is data is read by a node when it runs.",
)


class TooLarge(Exception):
    """There are too many tokens; `at` is where the first that is not read begins."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


def too_many_tokens(source: Source, large: TooLarge) -> Diagnostic:
    """What is said of a file with too many tokens."""
    return RF152.at(
        Label(source, (large.at, large.at), "not read from here on"),
        f"the file has more than {TOKENS_MAX:,} words, signs, strings and comments",
        help="split it into files that import one another",
    )


def too_many_references(source: Source) -> Diagnostic | None:
    """What is said of a file with too many references, if it has."""
    if source.text.count("$<") <= REFERENCES_MAX:
        return None
    return RF152.at(
        Label(source, (0, 0)),
        f"the file has more than {REFERENCES_MAX:,} references",
        help="split it into files that import one another",
    )
