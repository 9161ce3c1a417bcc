"""Where the error path stands when the grammar refuses a token: what the slips look at.

A `Situation` is read-only; a `Slip` is what a check found, and how to go on after it.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field
from rflow.dsl.ast import Span, Str
from rflow.dsl.diagnostics import Code, Label, Source
from rflow.dsl.tokens import ID, Token
from rflow.grammar.tables import FIRST_NONTERMINAL, KEYWORDS, SYMBOLS

PLACES = {
    "FLOW": "flow",
    "PIPELINE": "pipeline",
    "STAGE": "stage",
    "GROUP": "group",
    "TRIGGER": "trigger",
    "NODE": "node",
    "APPROVE": "approve",
    "SEQUENCE": "sequence",
    "PARALLEL": "parallel",
    "USE": "use",
    "FAILURE": "on failure",
    "FINALLY": "finally",
    "UNDO": "undo",
    "RETRY": "retry",
    "KEY": "map",
    "TEST": "test",
    "RUN": "run",
    "GIVEN": "given",
}
"""For the token that begins an item: what the block behind it is called."""
BEFORE_BLOCK = frozenset(
    ("after", "for", "word", "ROLLBACK", "text", "target", "starter", "moment", "takes")
)
"""What stands before the block of an entry, beside its name."""

INPUT_PLACES = {"group", "trigger", "node", "use", "undo", "retry", "map", "run", "given"}
WORDS = frozenset(KEYWORDS.values()) | {ID["NAME"]}
OPERANDS = frozenset(
    ID[name]
    for name in ("REF", "STRING", "BLOCK", "RAW", "INT", "FLOAT", "DURATION", "TRUE", "FALSE")
)
VALUES = OPERANDS | {ID["LSQB"], ID["LBRACE"], ID["LPAR"], ID["NOT"], ID["IF"]}


class Open(Struct, frozen=True):
    """A brace, bracket or parenthesis that is open, what it belongs to, and its place on the
    parser's stack."""

    token: Token
    place: str
    depth: int


class Situation(Struct, frozen=True):
    """The refused token, what is around it, and what would be accepted in its place.

    `at_entry`: the token begins an entry of a block. `head` is the token that began the entry it
    stands in. `opens` are the braces, brackets and parentheses that are open, outermost first.
    """

    source: Source
    token: Token
    previous: Token | None
    head: Token | None
    at_entry: bool
    complete: bool
    opens: tuple[Open, ...]
    peek: Callable[[int], Token]
    accepts: Callable[[int], bool]
    closing: Callable[[int], int]
    follows: Callable[[int, int], bool]
    suspect: tuple[Open, Token] | None

    def expects(self, *names: str) -> bool:
        """Whether any of these tokens would be accepted."""
        return any(self.accepts(ID[name]) for name in names)

    def text(self, token: Token | None = None) -> str:
        """The text of a token, the refused one by default."""
        token = token or self.token
        return self.source.text[token.start : token.end]

    def word(self, token: Token | None = None) -> str:
        """The word in a token, without what stands around it."""
        return self.text(token).strip(":| \t\r\n=")

    def is_word(self, token: Token | None = None) -> bool:
        """Whether the token is a word."""
        return (token or self.token).kind in WORDS

    @property
    def place(self) -> str:
        """What the innermost block is: `file` where none is open."""
        for item in reversed(self.opens):
            if item.token.kind == ID["LBRACE"]:
                return item.place
        return "file"

    @property
    def block(self) -> Open | None:
        """The innermost open block."""
        for item in reversed(self.opens):
            if item.token.kind == ID["LBRACE"]:
                return item
        return None

    @property
    def in_brackets(self) -> bool:
        """Whether the innermost thing open is a bracket or a parenthesis."""
        return bool(self.opens) and self.opens[-1].token.kind != ID["LBRACE"]

    def keywords(self) -> list[str]:
        """The keywords that would be accepted."""
        return [word for word, kind in KEYWORDS.items() if self.accepts(kind)]

    def complete_behind(self, kind: int) -> bool:
        """Whether a token of this kind, and then the refused one, would be accepted."""
        return self.follows(kind, self.token.kind)

    def leads_to_block(self) -> bool:
        """Whether a `{` comes behind the refused token, on its line."""
        for distance in range(1, 12):
            token = self.peek(distance)
            if token.first or token.kind == ID["END"]:
                return False
            if token.kind == ID["LBRACE"]:
                return True
        return False

    def found(self) -> str:
        """What stands here, for a message."""
        if self.token.kind == ID["END"]:
            return "the file ends"
        text = self.text()
        if not text:
            return "something stands"
        first = text.split("\n")[0]
        return f"`{first if len(first) < 40 else first[:39] + '…'}` stands"

    def wanted(self) -> str:
        """What would be accepted, for a message."""
        kinds = [k for k in range(1, FIRST_NONTERMINAL) if self.accepts(k)]
        if ID["REF"] in kinds:
            return "a value"
        turns = {ID["TAIL"], ID["LSQB"]}  # of a target; that it ends is likelier
        kinds = [k for k in kinds if k not in turns] or kinds
        names = list(dict.fromkeys(shown(kind) for kind in kinds))
        if len(names) > 5:
            names = [*names[:4], "…"]
        if len(names) > 1:
            return f"{', '.join(names[:-1])} or {names[-1]}".replace(" or …", ", …")
        return names[0] if names else "nothing more"


class Slip(Struct):
    """What was found. To go on, the next `drop` tokens are replaced by `insert`; or `close`
    blocks are closed; or, with none of these, the rest of the entry is skipped."""

    code: Code
    span: Span
    message: str
    label: str = ""
    help: str | None = None
    suggestion: str | None = None
    labels: tuple[Label, ...] = ()
    drop: int = 0
    insert: tuple[Token, ...] | None = None
    close: int = 0
    skip_block: bool = field(default=True)


def as_kind(token: Token, kind: str, end: int | None = None) -> Token:
    """The same place in the text, as another kind of token."""
    stop = token.end if end is None else end
    return Token(ID[kind], token.start, stop, token.first, token.indent)


def shown(kind: int) -> str:
    """What a kind of token is called in a message."""
    name = SYMBOLS[kind]
    return NAMES.get(name, f"`{name.lower()}`")


def without_text(token: Token) -> Str:
    """The string that stands in for a value that cannot be read."""
    return Str((), span=token.span)


def without_colon(token: Token, text: str) -> tuple[Token, ...]:
    """What is left of `: word` when the colon is not meant."""
    if token.kind == ID["COLON"]:
        return ()
    word = text[token.start + 1 : token.end].lstrip(" \t\r\n")
    rest = Token(ID["NAME"], token.end - len(word), token.end, False, token.indent)
    if "." in word:
        rest.kind = ID["DOTTED"]
    else:
        rest.kind = KEYWORDS.get(word, ID["NAME"])
    return (rest,)


NAMES = {
    "ASSIGN": "an input",
    "KEY": "an input",
    "NAME": "a name",
    "DOTTED": "a name",
    "TYPED": "`:` and a kind",
    "COLON": "`:`",
    "BARRED": "`|`",
    "BAR": "`|`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "REF": "a value",
    "BLOCK": "a value",
    "STRING": "a string",
    "RAW": "a value",
    "DURATION": "a duration",
    "FLOAT": "a number",
    "INT": "a number",
    "SEP": "`,`",
    "COMMA": "`,`",
    "RANGE": "`..`",
    "QUESTION": "`?`",
    "OPERATOR": "an operator",
    "EQUAL": "`=`",
    "MINUS": "`-`",
    "END": "the end of the file",
    "TAIL": "`.`",
    "UNKNOWN": "this character",
}
