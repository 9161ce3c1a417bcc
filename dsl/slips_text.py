"""Slips in characters and literals: their codes, and what was meant instead.

Called by `lexing` where the language's own pattern has no token. Every function reports once and
says how to go on: with a token that stands for what was probably meant, or behind what is skipped.
"""

from __future__ import annotations

import unicodedata

from rflow.dsl.diagnostics import Code
from rflow.dsl.examples import in_flow, in_node

RF103 = Code(
    "RF103",
    "unclosed string",
    "A string in `\"` or `'` ends on the line where it begins. Text of several lines stands in "
    '`"""`, with the closing quotes behind it.',
    in_node('script = "true'),
    in_node('script = "true"'),
)
RF104 = Code(
    "RF104",
    "malformed reference",
    "`$<` begins a reference: a path such as `refs.image.version`, then filters, then `>`. To "
    "write the two characters themselves in a string, put a backslash before them: `\\$<`.",
    in_node('script = "echo $<run.name"'),
    in_node('script = "echo $<run.name>"'),
)
RF105 = Code(
    "RF105",
    "unknown character",
    "The character has no meaning here. Entries need nothing between them, a comma is allowed; "
    "text stands in quotes.",
    in_node('script = "true";'),
    in_node('script = "true"'),
)
RF106 = Code(
    "RF106",
    "look-alike character",
    "The character looks like one of the language but is another: word processors and chat "
    "programs put in curly quotes, long dashes and blanks that do not break.",
    in_node("script = “true”"),
    in_node('script = "true"'),
)
RF109 = Code(
    "RF109",
    "another tool's interpolation",
    "Values are reached with `$<…>`, in an expression and in a string. `${x}`, `{{ x }}` and "
    "`${{ x }}` belong to shells, templates and other tools; in a string they are plain text.",
    in_flow("arg tag: string\n  output name = ${args.tag}"),
    in_flow("arg tag: string\n  output name = $<args.tag>"),
)
RF110 = Code(
    "RF110",
    "another language's operator",
    "The operators are `== != < <= > >= in matches and or not + - * /` and `if A then B else C`.",
    in_flow("arg a: bool\n  arg b: bool\n  output both = $<args.a> && $<args.b>"),
    in_flow("arg a: bool\n  arg b: bool\n  output both = $<args.a> and $<args.b>"),
)
RF117 = Code(
    "RF117",
    "hyphen in a name",
    "Names are made of letters, digits and `_`, so that `a-b` cannot be mistaken for a "
    "difference and names can stand in paths.",
    in_flow('node run-it: sh {\n    script = "true"\n    pure\n  }'),
    in_flow('node run_it: sh {\n    script = "true"\n    pure\n  }'),
)
RF119 = Code(
    "RF119",
    "control character",
    "A file of the language is text: control characters cannot stand in it. In a string, write "
    "`\\u{…}`.",
    in_node("script = \x07 'true'"),
    in_node("script = 'true'"),
)
RF120 = Code(
    "RF120",
    "another language's comment",
    "A comment begins with `#` and ends with its line; `##` documents what comes after it.",
    in_flow('// the tag\n  let tag = "a"'),
    in_flow('# the tag\n  let tag = "a"'),
)
RF126 = Code(
    "RF126",
    "unknown escape",
    'In `"…"` a backslash may stand before `n`, `t`, `r`, `"`, `\\`, `u{…}` and `$<`. In `\'…\'` '
    'and `"""…"""` a backslash is an ordinary character.',
    in_node('script = "grep \\d x"'),
    in_node("script = 'grep \\d x'"),
)
RF127 = Code(
    "RF127",
    "malformed number",
    "Numbers are `42` and `0.5`, in the range of 64 bits. One that begins with 0 (a file mode, "
    "a phone number) loses its zero: it is text, and stands in quotes.",
    in_flow("arg mode: int = 0644"),
    in_flow('arg mode: string = "0644"'),
)
RF128 = Code(
    "RF128",
    "malformed duration",
    "Durations are whole numbers with the units `d h m s ms`, the largest first: `1h30m`, "
    "`500ms`, `7d`.",
    in_node('script = "true"\n    timeout 10min'),
    in_node('script = "true"\n    timeout 10m'),
)
RF144 = Code(
    "RF144",
    "another language's here-document",
    'Text of several lines stands between `"""` and `"""`; the indentation that all its lines '
    "share is taken away.",
    in_node("script = <<EOT\n      true\n    EOT"),
    in_node('script = """\n      true\n    """'),
)

RF134 = Code(
    "RF134",
    "reference where only plain text can stand",
    "The name of a map's entry, a literal type and a string inside `$<…>` are plain text: they "
    "are known before the run.",
    in_flow('arg tag: string\n  output name = "$<args.tag | default("$<run.id>")>"'),
    in_flow('arg tag: string?\n  output name = "$<args.tag | default("none")>"'),
)


_LOOK_ALIKE = {
    **dict.fromkeys("“”„‟«»″＂〝〞", '"'),
    **dict.fromkeys("‘’‚‛′`´＇", "'"),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("∕⁄", "/"),
    "×": "*",
    "÷": "/",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "∧": "and",
    "∨": "or",
    "¬": "not",
    "，": ",",
    "、": ",",
    "։": ":",
    "꞉": ":",
    "∶": ":",
    ";": ";",
    "‹": "<",
    "›": ">",
    "⟨": "<",
    "⟩": ">",
    "…": "..",
    "ǀ": "|",
    "∣": "|",
}
_LETTERS = dict(
    zip(
        "аеорсухіјѕԁһӏАВЕКМНОРСТХІЈЅαοντρικΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aeopcyxijsdhlABEKMHOPCTXIJSaovtpikABEZHIKMNOPTYX",
        strict=True,
    )
)


def meant(char: str) -> str | None:
    """The text that was probably meant by a look-alike; blanks give one; None if it is none."""
    if char in _LOOK_ALIKE:
        return _LOOK_ALIKE[char]
    if "！" <= char <= "～":
        return chr(ord(char) - 0xFEE0)
    if char in _LETTERS:
        return _LETTERS[char]
    if char.isspace() or unicodedata.category(char) in ("Zs", "Cf", "Zl", "Zp"):
        return " "
    return None


def named(char: str) -> str:
    """What a character is called: its Unicode name, or its number."""
    return unicodedata.name(char, f"U+{ord(char):04X}").lower()
