"""Slips where a value is expected, or stands: codes and checks.

A check looks at the refused token and gives a `Slip`, or None where the mistake is another one.
"""

from __future__ import annotations

from rflow.dsl.ast import Duration
from rflow.dsl.diagnostics import Code, Label
from rflow.dsl.examples import in_flow, in_node
from rflow.dsl.situation import VALUES, Situation, Slip, as_kind, without_text
from rflow.dsl.slips_text import RF128
from rflow.dsl.tokens import ID, Token

RF112 = Code(
    "RF112",
    "single `=` in a condition",
    "`=` gives a value to a name; two values are compared with `==`.",
    in_node('script = "true"\n    when $<run.name> = "nightly"'),
    in_node('script = "true"\n    when $<run.name> == "nightly"'),
)
RF113 = Code(
    "RF113",
    "list item as in YAML",
    "A list stands in brackets, with commas between its items.",
    in_flow("let sites =\n    - eu\n    - us"),
    in_flow('let sites = ["eu", "us"]'),
)
RF121 = Code(
    "RF121",
    "missing comma",
    "The items of a list stand with commas between them; a comma behind the last one is fine.",
    in_flow('let sites = ["eu" "us"]'),
    in_flow('let sites = ["eu", "us"]'),
)
RF125 = Code(
    "RF125",
    "bare word",
    "Text stands in quotes, and values are reached with `$<…>`: a word by itself is neither.",
    in_flow("let site = eu"),
    in_flow('let site = "eu"'),
)
RF133 = Code(
    "RF133",
    "filter outside a reference",
    "Filters stand inside `$<…>`, behind the path they are applied to.",
    in_flow("let tag = $<run.name> | slug"),
    in_flow("let tag = $<run.name | slug>"),
)
RF138 = Code(
    "RF138",
    "missing value",
    "Behind `=`, an operator, `(`, `when` and `in` stands a value.",
    in_flow("let site ="),
    in_flow('let site = "eu"'),
)
RF140 = Code(
    "RF140",
    "unclosed bracket",
    "A list ends with `]`, a call and a group of operators with `)`.",
    in_flow('let sites = ["eu", "us"\n  let b = 1'),
    in_flow('let sites = ["eu", "us"]\n  let b = 1'),
)
RF149 = Code(
    "RF149",
    "conditional as in another language",
    "A choice between two values is written `if A then B else C`.",
    in_flow('arg dry: bool\n  let mode = $<args.dry> ? "dry" : "real"'),
    in_flow('arg dry: bool\n  let mode = if $<args.dry> then "dry" else "real"'),
)

RF151 = Code(
    "RF151",
    "malformed conditional",
    "A choice gives a value either way: `if A then B else C`. Behind an operator it stands in "
    "parentheses, so that it is seen where it ends.",
    in_flow('arg dry: bool\n  let mode = if $<args.dry> then "dry"'),
    in_flow('arg dry: bool\n  let mode = if $<args.dry> then "dry" else "real"'),
)

UNITS = {"day": "d", "hour": "h", "minute": "m", "min": "m", "second": "s", "sec": "s"}
ROOTS = ("args", "secrets", "refs", "let", "run", "flow", "stage", "each", "done")


def list_item(s: Situation) -> Slip | None:
    """`- x`, as in YAML."""
    dash = s.token
    if dash.kind != ID["MINUS"]:
        if s.previous is None or s.previous.kind != ID["MINUS"] or not s.previous.first:
            return None
        dash = s.previous
        if not s.expects("REF") or s.token.kind in VALUES:
            return None
    elif not dash.first or s.expects("MINUS"):
        return None
    return Slip(
        RF113,
        dash.span,
        "a line cannot begin with `-`: this is no YAML",
        help='write a list in brackets: `["a", "b"]`',
    )


def comparison(s: Situation) -> Slip | None:
    """`=` where `==` is meant."""
    if s.token.kind != ID["EQUAL"] or not s.expects("OPERATOR"):
        return None
    word = as_kind(s.token, "OPERATOR")
    word.word = "=="
    return Slip(
        RF112,
        s.token.span,
        "`=` does not compare",
        help="write `==`",
        drop=1,
        insert=(word,),
    )


def named_comparison(s: Situation) -> Slip | None:
    """`when channel = "stable"`."""
    condition = s.previous is not None and s.previous.kind in (ID["WHEN"], ID["IF"], ID["NOT"])
    joined = s.previous is not None and s.previous.kind in (ID["AND"], ID["OR"])
    if s.token.kind not in (ID["KEY"], ID["ASSIGN"]) or not (condition or joined):
        return None
    name = s.word().partition("=")[0].strip()
    return Slip(
        RF112,
        s.token.span,
        "`=` does not compare, and a name alone is no value",
        help=f"write `$<args.{name}> == …`",
    )


def conditional(s: Situation) -> Slip | None:
    """`A ? B : C`."""
    if s.token.kind != ID["QUESTION"] or not s.expects("OPERATOR"):
        return None
    return Slip(RF149, s.token.span, "`?` is not an operator", help="write `if A then B else C`")


def inner_conditional(s: Situation) -> Slip | None:
    """`1 + if A then B else C`."""
    if s.token.kind != ID["IF"] or not s.expects("LPAR") or s.token.first:
        return None
    opener = Token(ID["LPAR"], s.token.start, s.token.start, False, s.token.indent)
    return Slip(
        RF151,
        s.token.span,
        "behind an operator, `if` stands in parentheses",
        help="write `(if A then B else C)`",
        insert=(opener,),
    )


def broken_conditional(s: Situation) -> Slip | None:
    """`if A then B`, `if A { B }`, `if A then B elif …`."""
    wanted = next((word for word in ("then", "else") if s.expects(word.upper())), None)
    if wanted is None or s.previous is None:
        return None
    if s.word() in ("elif", "elsif", "elseif", "else_if"):
        insert = (as_kind(s.token, "ELSE", s.token.start), as_kind(s.token, "IF"))
        said = f"`{s.word()}` is no keyword of rflow"
        return Slip(RF151, s.token.span, said, help="write `else if`", drop=1, insert=insert)
    value = s.token.kind in VALUES - {ID["LBRACE"]} and not s.token.first
    if value and wanted == "else":
        return None
    return Slip(
        RF151,
        s.previous.span,
        f"behind this `{wanted}` is missing",
        help="a choice is written `if A then B else C`",
    )


def outside_filter(s: Situation) -> Slip | None:
    """`"x" | upper`, outside of a reference."""
    if s.token.kind not in (ID["BARRED"], ID["BAR"]) or not s.expects("OPERATOR"):
        return None
    return Slip(
        RF133,
        s.token.span,
        f"the filter `{s.word()}` stands outside a reference",
        help=f"write it inside: `$<… | {s.word()}>`",
    )


def missing_comma(s: Situation) -> Slip | None:
    """Two items side by side."""
    if not s.in_brackets or not s.expects("COMMA"):
        return None
    if s.token.kind not in VALUES or (s.token.first and s.token.kind == ID["IF"]):
        return None
    at = s.previous.end if s.previous else s.token.start
    comma = Token(ID["COMMA"], at, at, False, s.token.indent)
    return Slip(
        RF121,
        s.token.span,
        "a comma is missing before this item",
        help="write `,` between the items",
        drop=0,
        insert=(comma,),
    )


def unclosed_bracket(s: Situation) -> Slip | None:
    """A `[` or `(` without its end."""
    if not s.in_brackets:
        return None
    opener = s.opens[-1].token
    want = "]" if opener.kind == ID["LSQB"] else ")"
    kind = ID["RSQB"] if want == "]" else ID["RPAR"]
    other = s.token.kind in (ID["RSQB"], ID["RPAR"]) and s.token.kind != kind
    ends = s.token.kind in (ID["END"], ID["RBRACE"], ID["KEY"], ID["ASSIGN"])
    if not (other or ends or (s.token.first and s.is_word() and s.complete_behind(kind))):
        return None
    closer = Token(kind, s.token.start, s.token.start, False, s.token.indent)
    return Slip(
        RF140,
        opener.span,
        f"`{s.text(opener)}` is not closed",
        label="opened here",
        help=f"write `{want}`",
        labels=(Label(s.source, s.token.span, f"`{want}` is expected before this"),)
        if s.token.kind != ID["END"]
        else (),
        drop=int(other),
        insert=(closer,),
    )


def bare_word(s: Situation) -> Slip | None:
    """A word where a value is expected."""
    token = s.token
    expected = s.expects("REF") or (s.expects("STRING") and not s.expects("NAME"))
    if not expected or not (s.is_word() or token.kind == ID["DOTTED"]):
        return None
    if token.first and s.previous is not None and not s.in_brackets:
        return missing_value(s)
    word = s.text()
    if not s.expects("REF"):
        return Slip(
            RF125,
            token.span,
            f"`{word}` is a bare word, not a string",
            help=f'write "{word}"',
            drop=1,
            insert=(_string(token),),
        )
    following = s.peek(1)
    if following.kind == ID["LPAR"] and not following.first:
        return Slip(
            RF125,
            token.span,
            f"`{word}` cannot be called here",
            help=f"filters stand inside a reference: `$<… | {word}>`",
        )
    if word.split(".")[0] in ROOTS and "." in word:
        step = f"write `$<{word}>`"
    elif token.odd or token.kind == ID["DOTTED"]:
        step = f'write "{word}"'
    else:
        step = f'write "{word}" if it is text, or `$<args.{word}>` for a value'
    if word.lower() in ("yes", "no", "on", "off", "true", "false"):
        step = "write `true` or `false`"
    elif word.lower() in ("null", "nil", "none", "undefined"):
        step = "leave the line out where there is no value"
    return Slip(
        RF125,
        token.span,
        f"`{word}` is a bare word, not a value",
        help=step,
        drop=1,
        insert=(_string(token),),
    )


def _string(token: Token) -> Token:
    string = as_kind(token, "STRING")
    string.value = without_text(token)
    return string


def duration(s: Situation) -> Slip | None:
    """`timeout 10`, `timeout 5 minutes`, `timeout "10m"`."""
    token = s.token
    if not s.expects("DURATION") or s.expects("REF"):
        return None
    stand_in = as_kind(token, "DURATION")
    stand_in.value = Duration(1_000, "1s", span=token.span)
    text = s.text()
    if token.kind in (ID["STRING"], ID["RAW"]) and not token.first:
        step = f"write `{text[1:-1]}`"
        return Slip(RF128, token.span, "a duration stands without quotes", help=step, drop=1,
                    insert=(stand_in,))  # fmt: skip
    if token.kind != ID["INT"] or token.first:
        return None
    unit = s.peek(1)
    known = UNITS.get(s.text(unit).rstrip("s")) if s.is_word(unit) and not unit.first else None
    return Slip(
        RF128,
        (token.start, unit.end if known else token.end),
        f"`{text} {s.text(unit)}` is not a duration" if known else f"`{text}` has no unit",
        help=f"write `{text}{known}`" if known else f"write `{text}s` or `{text}m`",
        drop=2 if known else 1,
        insert=(stand_in,),
    )


def missing_value(s: Situation) -> Slip | None:
    """Nothing behind `=` or an operator."""
    if not s.expects("REF") or s.previous is None:
        return None
    ends = s.token.kind in (ID["RBRACE"], ID["END"], ID["COMMA"], ID["SEP"], ID["RSQB"], ID["RPAR"])
    if not ends and not s.token.first and s.token.kind not in (ID["KEY"], ID["ASSIGN"]):
        return None
    before = s.text(s.previous)
    if len(before) > 40:
        before = before[:39] + "…"
    return Slip(
        RF138,
        s.previous.span,
        f"behind `{before}` a value is missing",
        label="expected behind this",
    )
