"""Slips in the words before a block: codes and checks."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code
from rflow.dsl.examples import in_flow
from rflow.dsl.situation import Situation, Slip, as_kind
from rflow.dsl.tokens import ID, Token

_BODY = '{\n    script = "true"\n    pure\n  }'

RF108 = Code(
    "RF108",
    "block and value mixed up",
    "`name {` begins a block, `name = {` gives a map to an input; they never mix.",
    in_flow("node x: sh = " + _BODY),
    in_flow("node x: sh " + _BODY),
)
RF111 = Code(
    "RF111",
    "another tool's dependency",
    "The order of nodes is written `after` in the header; a reference to a node's output makes "
    "an edge by itself.",
    in_flow(
        f'node x: sh {_BODY}\n  node y: sh {{\n    needs: x\n    script = "true"\n    pure\n  }}'
    ),
    in_flow(f"node x: sh {_BODY}\n  node y: sh after x {_BODY}"),
)
RF122 = Code(
    "RF122",
    "clause in a header",
    "Between the name and the `{` stands `after` only; all else stands in the body.",
    in_flow("node x: sh timeout 10m " + _BODY),
    in_flow('node x: sh {\n    script = "true"\n    timeout 10m\n    pure\n  }'),
)
RF132 = Code(
    "RF132",
    "missing block",
    "The body stands in braces, even where it is empty.",
    in_flow("approve ok"),
    in_flow("approve ok { }"),
)
RF141 = Code(
    "RF141",
    "missing kind",
    "A trigger, a node and an argument say what they are behind a colon: `node web: sh`.",
    in_flow("node x sh " + _BODY),
    in_flow("node x: sh " + _BODY),
)
RF148 = Code(
    "RF148",
    "name in quotes",
    "Names are words without quotes: they are not text.",
    in_flow('node "x": sh ' + _BODY),
    in_flow("node x: sh " + _BODY),
)

DEPENDENCIES = frozenset(
    (
        "needs",
        "need",
        "depends_on",
        "depends",
        "dependsOn",
        "dependencies",
        "requires",
        "require",
        "runAfter",
        "run_after",
        "wait_for",
        "upstream",
    )
)
_CLAUSES = frozenset(
    ID[name]
    for name in (
        "WHEN",
        "EACH",
        "RETRY",
        "TIMEOUT",
        "LOCK",
        "UNDO",
        "KEEP",
        "IRREVERSIBLE",
        "PURE",
        "CONTINUE",
        "OUTPUT",
        "BY",
        "COUNT",
        "WITHIN",
        "SELF",
        "ON",
        "AFTER",
    )
)
_ENDS_LINE = frozenset((ID["RBRACE"], ID["END"]))


def in_header(s: Situation) -> bool:
    """Whether a `{` would be right, now or after `:` and a kind, and nothing is complete."""
    return not s.complete and (s.expects("LBRACE", "TYPED", "AFTER")) and not s.expects("REF")


def dependency(s: Situation) -> Slip | None:
    """`needs`, in a header or a body."""
    word = s.word()
    if word not in DEPENDENCIES or not (s.is_word() or s.token.kind == ID["KEY"]):
        return None
    if not (in_header(s) or s.at_entry):
        return None
    return no_order(s, s.token, 1)


def no_order(s: Situation, token: Token, behind: int) -> Slip:
    """`needs`, and what is behind it, from so many tokens after the refused one."""
    following = (s.peek(behind + distance) for distance in range(3))
    words = (s.word(other) for other in following if other.kind in (ID["TYPED"], ID["NAME"]))
    return Slip(
        RF111,
        token.span,
        f"`{s.word(token)}` is not how nodes are ordered",
        help=f"write `after {next(filter(None, words), 'x')}` in the header, before `{{`",
    )


def clause(s: Situation) -> Slip | None:
    """A clause in a header."""
    if not in_header(s) or s.token.kind not in _CLAUSES:
        return None
    if s.token.first and not s.leads_to_block():
        return None
    word = s.word()
    if word == "after":
        return None
    return Slip(
        RF122,
        s.token.span,
        f"`{word}` stands in the header",
        help="move it into the block, behind `{`: a header holds only `after`",
    )


def value_in_header(s: Situation) -> Slip | None:
    """`=` before a block."""
    if s.token.kind == ID["EQUAL"] and in_header(s) and s.peek(1).kind == ID["LBRACE"]:
        return Slip(
            RF108,
            s.token.span,
            "`=` stands before a block",
            help="delete it: `name {` begins a block, `name = {` a map",
            drop=1,
            insert=(),
        )
    if s.token.kind == ID["KEY"] and s.expects("NAME"):
        name_end = s.token.start + len(s.word())
        return Slip(
            RF108,
            (name_end, s.token.end),
            f"`=` stands behind the name `{s.word()}`",
            help="a name is followed by `:` and a kind, or by `{`",
            drop=1,
            insert=(as_kind(s.token, "NAME", name_end),),
        )
    return None


def quoted_name(s: Situation) -> Slip | None:
    """`node "web": sh`."""
    if s.token.kind not in (ID["STRING"], ID["RAW"]) or not s.expects("NAME"):
        return None
    if s.in_brackets or s.expects("STRING"):
        return None
    word = s.text()[1:-1]
    good = word.replace("-", "_")
    name = Token(ID["NAME"], s.token.start + 1, s.token.end - 1, s.token.first, s.token.indent)
    return Slip(
        RF148,
        s.token.span,
        "a name stands without quotes",
        help=f"write `{good}`" if good.isidentifier() and good.isascii() else None,
        drop=1,
        insert=(name,),
    )


def missing_kind(s: Situation) -> Slip | None:
    """`node web deploy.directory {`, or no kind at all."""
    if not s.expects("TYPED") or s.expects("REF") or s.previous is None:
        return None
    token = s.token
    if not token.first and (s.is_word() or token.kind == ID["DOTTED"]):
        if token.kind in _CLAUSES and s.peek(1).kind not in (ID["LBRACE"], ID["AFTER"]):
            return None
        return Slip(
            RF141,
            token.span,
            f"before `{s.text()}` a colon is missing",
            help=f"write `{s.text(s.previous)}: {s.text()}`",
            drop=1,
            insert=(as_kind(token, "TYPED"),),
        )
    nothing = (ID["LBRACE"], ID["RBRACE"], ID["END"], ID["EQUAL"], ID["ASSIGN"], ID["KEY"])
    if token.first or token.kind in nothing or token.kind == ID["STRING"]:
        what = "type" if s.head is not None and s.word(s.head) in ("arg", "output") else "kind"
        example = "string" if what == "type" else "sh"
        return Slip(
            RF141,
            s.previous.span,
            f"`{s.text(s.previous)}` has no {what}",
            label=f"a {what} is expected behind this",
            help=f"write `{s.text(s.previous)}: {example}` (or another {what})",
        )
    return None


def missing_block(s: Situation) -> Slip | None:
    """A header, and then no `{`."""
    if s.complete or not s.expects("LBRACE") or s.expects("REF") or s.previous is None:
        return None
    if s.token.kind not in _ENDS_LINE and not s.token.first:
        return None
    head = s.head or s.previous
    word = s.word(head)
    brace = Token(ID["LBRACE"], s.previous.end, s.previous.end, False, head.indent)
    close = Token(ID["RBRACE"], s.previous.end, s.previous.end, False, head.indent)
    opened = s.token.first and s.token.indent > head.indent
    return Slip(
        RF132,
        (head.start, s.previous.end),
        f"behind this the block of the `{word}` is missing",
        help="write `{` here" if opened else "write `{ }`",
        drop=0,
        insert=(brace,) if opened else (brace, close),
    )
