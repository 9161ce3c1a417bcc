"""Reading a file that has mistakes: what is wrong with it, and what can be read all the same.

The same tables and the same builder as on the quick path, but each token is tried before it is
taken. Where none can be, the slips say what was probably meant; then the mistake is mended, or
the entry it stands in is skipped, and reading goes on: all mistakes of a file in one run, one an
entry. The work is linear in the text, and ends after `MISTAKES_MAX` mistakes.
"""

from __future__ import annotations

import gc
from collections import deque
from contextlib import suppress

from rflow.dsl import ast, slips
from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source, sort
from rflow.dsl.lexing import Lexer
from rflow.dsl.limits import RF137, TooLarge, too_many_tokens
from rflow.dsl.parse import VERSION, finish
from rflow.dsl.situation import Situation, Slip, as_kind
from rflow.dsl.slips_depth import RF129
from rflow.dsl.slips_entry import RF102, last_resort
from rflow.dsl.slips_file import version_line
from rflow.dsl.slow_builder import SlowBuilder
from rflow.dsl.stack import HEADS, NESTING_MAX, Stack, TooDeep, after, filling
from rflow.dsl.tokens import ID, Token
from rflow.grammar.tables import ENDS, KEYWORDS

MISTAKES_MAX = 100
HEADER_MAX = 64
SKIPPED_MAX = 100_000
"""So many tokens are skipped in a file: one that needs more is no file of the language."""

_KEYWORD_KINDS = frozenset(KEYWORDS.values())
_ASSIGNING = {ID["KEY"], ID["ASSIGN"]}
_NAMING = _ASSIGNING | _KEYWORD_KINDS | {ID["NAME"]}


class _Stop(Exception):
    """Nothing more is to be read."""


def parse_slowly(source: Source) -> tuple[ast.Module | None, list[Diagnostic]]:
    """The tree of what could be read of a file that has mistakes, and the mistakes, sorted."""
    pause = gc.isenabled()
    if pause:
        gc.disable()
    try:
        reader = Reader(source)
        module = reader.read()
    finally:
        if pause:
            gc.enable()
    return module, sort(reader.diagnostics)


class Reader:
    """One file being read: the parser's stack, and the tokens to come."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.builder = SlowBuilder(source.text, self.report)
        self.lexer = Lexer(self.builder, self.report)
        self.stack = Stack(self.builder)
        self.ahead: deque[Token] = deque()
        self.blamed: set[int] = set()
        self.stuck = -1
        self.skipped = 0
        self.mended = (-1, -1)

    # -- reporting

    def report(
        self,
        code: Code,
        span: ast.Span,
        message: str,
        label: str = "",
        help: str | None = None,
        suggestion: str | None = None,
        labels: tuple[Label, ...] = (),
    ) -> None:
        """Add a diagnostic; after too many of them, stop."""
        primary = Label(self.source, span, label)
        self.diagnostics.append(
            code.at(primary, message, labels=labels, help=help, suggestion=suggestion)
        )
        if len(self.diagnostics) >= MISTAKES_MAX:
            self._give_up(span)

    def _give_up(self, span: ast.Span) -> None:
        self.diagnostics.append(
            RF137.at(
                Label(self.source, (span[1], span[1])),
                "the file has too many mistakes: the rest was not read",
                help="mend some of them and check again",
            )
        )
        raise _Stop

    # -- reading

    def read(self) -> ast.Module | None:
        """Read the whole file."""
        try:
            self._prologue()
            while True:
                token = self.peek(0)
                kind = self._kind(token)
                if self.stack.accepts(kind):
                    if kind == ID["END"]:
                        break
                    self._take(token, kind)
                else:
                    self._mend(token)
        except TooDeep as deep:
            self._too_deep(deep.token)
        except _Stop:
            pass
        except TooLarge as large:
            self.diagnostics.append(too_many_tokens(self.source, large))
            return None
        return self._module()

    def _too_deep(self, token: Token) -> None:
        with suppress(_Stop):
            self.report(
                RF129,
                token.span,
                f"blocks and values are nested more than {NESTING_MAX} deep",
                help="move inner parts into `let`, groups or flows of their own",
            )

    def _prologue(self) -> None:
        """The version line, which is there or made up."""
        first, second = self.peek(0), self.peek(1)
        count = version_line(first, second, self.source.text, self.report)
        for _ in range(count):
            self.stack.previous = self.ahead.popleft()
        if not count:
            self.blamed.add(first.start)
        whole = (0, 0) if not count else first.span
        number = second if count == 2 and second.kind == ID["INT"] else None
        self.stack.shift(Token(ID["RFLOW"], *whole, True, 0), ID["RFLOW"])
        token = Token(ID["INT"], *(number.span if number else whole), False, 0)
        if number is None or number.value is not None:
            token.value = ast.Int(VERSION, span=token.span)
        self.stack.shift(token, ID["INT"])

    def _module(self) -> ast.Module | None:
        """Close what is open and finish the tree."""
        try:
            self.stack.settle_to_entry()
            while any(o.token.kind == ID["LBRACE"] for o in self.stack.opens):
                self.stack.close(1)
            self.stack.reduce(ID["END"])
        except (_Stop, TooDeep):
            return None
        if self.stack.states[-1] != ENDS["file"]:
            return None
        module: ast.Module = finish(self.builder, self.stack.values[-1])
        return module

    def peek(self, distance: int) -> Token:
        """The token that comes `distance` after the next one."""
        while len(self.ahead) <= distance:
            self.ahead.append(self.lexer.next())
        return self.ahead[distance]

    def _kind(self, token: Token) -> int:
        """What the token is here: a keyword is a name where only a name can stand."""
        kind = token.kind
        if (
            kind in _KEYWORD_KINDS
            and not self.stack.accepts(kind)
            and self.stack.accepts(ID["NAME"])
        ):
            kind = ID["NAME"]
        if kind == ID["NAME"] and token.odd in ("hyphen", "letters") and self.stack.accepts(kind):
            self.lexer.odd_name(token)
            token.odd = ""
        return kind

    def _take(self, token: Token, kind: int) -> None:
        self.stack.shift(token, kind)
        self.ahead.popleft()
        self.stack.previous = token

    # -- mending

    def _mend(self, token: Token) -> None:
        """Say what is wrong at this token, and get to a place from where to read on."""
        if token.kind == ID["NAME"] and self.peek(1).word == "=" and self.stack.accepts(ID["KEY"]):
            self.ahead.popleft()  # a look-alike of `=`, which is reported already
            self.ahead[0] = as_kind(token, "KEY", self.ahead[0].end)
            return
        situation = self._situation(token)
        slip = slips.find(situation, between=False)
        if slip is None:
            if situation.complete and not situation.in_brackets:
                self.stack.settle()
                situation = self._situation(token)
            slip = slips.find(situation, between=True) or last_resort(situation)
        start = situation.head.start if situation.head else token.start
        place = (token.start, len(self.stack.symbols))
        again, self.mended = place == self.mended, place
        known = self.lexer.swallowed and token.kind == ID["END"]  # by a string that is not closed
        if not known and (start not in self.blamed or slip.code is RF102):
            self.blamed.add(start)
            self.report(
                slip.code,
                slip.span,
                slip.message,
                slip.label,
                slip.help,
                slip.suggestion,
                slip.labels,
            )
        if slip.close:
            self.stack.close(slip.close)
        elif slip.insert is not None and not again and self._goes_on(slip):
            for _ in range(slip.drop):
                self.peek(0)
                self.ahead.popleft()
            self.ahead.extendleft(reversed(slip.insert))
        else:
            self._skip(token, again=again)

    def _goes_on(self, slip: Slip) -> bool:
        """Whether reading goes on with what the slip puts in; not twice at one place."""
        here = self.peek(0).start
        if not slip.drop:
            if self.stuck == here:
                return False
            self.stuck = here
        states: list[int] | None = self.stack.states
        for token in slip.insert or ():
            assert states is not None
            kind = token.kind
            if kind in _KEYWORD_KINDS and after(states, kind) is None:
                kind = ID["NAME"]
            if kind == ID["NAME"] and after(states, kind) is None:
                return token is not slip.insert[0] if slip.insert else False
            states = after(states, kind)
            if states is None:
                return token is not slip.insert[0] if slip.insert else False
        return True

    def _situation(self, token: Token) -> Situation:
        head = self.stack.head()
        return Situation(
            source=self.source,
            token=token,
            previous=self.stack.previous,
            head=head,
            at_entry=self.stack.entry_start() == len(self.stack.symbols),
            complete=self.stack.accepts(ID["RBRACE"]) or self.stack.accepts(ID["END"]),
            opens=tuple(self.stack.opens),
            peek=self.peek,
            accepts=self.stack.accepts,
            closing=self.stack.closing,
            follows=self.stack.follows,
            suspect=self.stack.suspect,
        )

    def _skip(self, refused: Token, *, again: bool) -> None:
        """Leave the entry that the refused token stands in, and skip what is left of it."""
        if self._finish_header():
            return
        if again and refused.kind != ID["END"]:
            self.ahead.popleft()  # whatever it is, reading must go on
        head = self.stack.head() or refused
        self.stack.settle_to_entry()
        depth = 0
        while (token := self.peek(0)).kind != ID["END"]:
            if depth == 0:
                if token.kind == ID["RBRACE"] and self.stack.opens:
                    return
                here = self.stack.accepts(token.kind) and token.first
                if self._resumes(token) if token is not refused else here:
                    return
                named = token.kind in _ASSIGNING or token.indent <= head.indent
                if token is not refused and token.first and token.kind in _NAMING and named:
                    return
            self._count_skipped(token)
            if token.kind == ID["LBRACE"]:
                depth += 1
            elif token.kind == ID["RBRACE"]:
                depth = max(depth - 1, 0)
                if depth == 0 and self.peek(1).first:
                    self.ahead.popleft()
                    return
            self.ahead.popleft()

    def _count_skipped(self, token: Token) -> None:
        self.skipped += 1
        if self.skipped > SKIPPED_MAX:
            self._give_up(token.span)

    def _resumes(self, token: Token) -> bool:
        """Whether a new entry begins with this token, here or further out."""
        if token.kind in _ASSIGNING:
            return self.stack.accepts(token.kind)
        if token.kind not in _KEYWORD_KINDS:
            return False
        if token.first:
            if self.stack.accepts(token.kind):
                return True
            block = next((o for o in reversed(self.stack.opens) if o.place), None)
            return (
                block is not None
                and token.indent <= block.token.indent
                and self.stack.closing(token.kind) > 0
            )
        block = self.stack.opens[-1] if self.stack.opens else None
        same_line = (
            block is not None and "\n" not in self.source.text[block.token.start : token.start]
        )
        return same_line and self.stack.accepts(token.kind)

    def _finish_header(self) -> bool:
        """Where a block comes behind a broken header, make the header whole to read the block."""
        start = len(self.stack.symbols)
        while start and not self.stack.at_entry(start):
            start -= 1
        if (
            start == len(self.stack.symbols)
            or self.stack.symbols[start] not in HEADS
            or self.stack.opens_since(start)
        ):
            return False
        for distance in range(HEADER_MAX):
            token = self.peek(distance)
            if token.kind == ID["LBRACE"]:
                break
            if token.kind in (ID["END"], ID["RBRACE"]) or (distance and token.first):
                return False
        else:
            return False
        fill = filling(self.stack.states)
        if fill is None:
            return False
        for _ in range(distance):
            self.ahead.popleft()
        for kind in fill:
            self.stack.shift(Token(kind, token.start, token.start, False, token.indent), kind)
        return True
