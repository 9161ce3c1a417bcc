"""Reading a file that has mistakes: what is wrong with it, and what can be read all the same.

The same tables and the same builder as on the quick path, but each token is tried before it is
taken. Where none can be, the slips say what was probably meant; then the mistake is mended, or
the entry it stands in is skipped, and reading goes on: all mistakes of a file in one run, one an
entry. The work is linear in the text, and ends after `MISTAKES_MAX` mistakes.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from rflow.dsl import ast, slips
from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source, sort
from rflow.dsl.lexing import Lexer
from rflow.dsl.parse import VERSION, finish
from rflow.dsl.situation import BEFORE_BLOCK, PLACES, Open, Situation, Slip, as_kind
from rflow.dsl.slips_depth import RF129
from rflow.dsl.slips_entry import RF102, RF137, last_resort
from rflow.dsl.slips_file import version_line
from rflow.dsl.slow_builder import SlowBuilder
from rflow.dsl.tokens import ID, Token
from rflow.grammar.tables import ACTIONS, ENDS, KEYWORDS, RULES, STARTS, SYMBOLS

MISTAKES_MAX = 100
NESTING_MAX = 100
STACK_MAX = 2_000
HEADER_MAX = 64
SKIPPED_MAX = 100_000
"""So many tokens are skipped in a file: one that needs more is no file of the language."""

_OPENING = {ID["LBRACE"]: ID["RBRACE"], ID["LSQB"]: ID["RSQB"], ID["LPAR"]: ID["RPAR"]}
_CLOSING = set(_OPENING.values())
_KEYWORD_KINDS = frozenset(KEYWORDS.values())
_ENTRIES = frozenset(
    number
    for number, name in enumerate(SYMBOLS)
    if name.startswith(("entries{", "tight_entries{")) or name == "declarations"
)
_ASSIGNING = {ID["KEY"], ID["ASSIGN"]}
_NAMING = _ASSIGNING | _KEYWORD_KINDS | {ID["NAME"]}
_HEADS = {ID[name] for name in PLACES}
_FILL = [ID[name] for name in ("NAME", "TYPED", "AS", "FAILURE")]


class _Stop(Exception):
    """Nothing more is to be read."""


def parse_slowly(source: Source) -> tuple[ast.Module | None, list[Diagnostic]]:
    """The tree of what could be read of a file that has mistakes, and the mistakes, sorted."""
    reader = Reader(source)
    module = reader.read()
    return module, sort(reader.diagnostics)


class Reader:
    """One file being read: the parser's stack, and the tokens to come."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.builder = SlowBuilder(source.text, self.report)
        self.lexer = Lexer(self.builder, self.report)
        self.rules = [(s, n, getattr(self.builder, name)) for s, n, name in RULES]
        self.states = [STARTS["file"]]
        self.values: list[Any] = []
        self.symbols: list[int] = []
        self.tokens: list[Token | None] = []
        self.opens: list[Open] = []
        self.ahead: deque[Token] = deque()
        self.previous: Token | None = None
        self.blamed: set[int] = set()
        self.suspect: tuple[Open, Token] | None = None
        self.stuck = -1
        self.skipped = 0

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
                if self.accepts(kind):
                    if kind == ID["END"]:
                        break
                    self._take(token, kind)
                else:
                    self._mend(token)
        except _Stop:
            pass
        return self._module()

    def _prologue(self) -> None:
        """The version line, which is there or made up."""
        first, second = self.peek(0), self.peek(1)
        count = version_line(first, second, self.source.text, self.report)
        for _ in range(count):
            self.previous = self.ahead.popleft()
        if not count:
            self.blamed.add(first.start)
        whole = (0, 0) if not count else first.span
        number = second if count == 2 and second.kind == ID["INT"] else None
        self._shift(Token(ID["RFLOW"], *whole, True, 0), ID["RFLOW"])
        token = Token(ID["INT"], *(number.span if number else whole), False, 0)
        if number is None or number.value is not None:
            token.value = ast.Int(VERSION, span=token.span)
        self._shift(token, ID["INT"])

    def _module(self) -> ast.Module | None:
        """Close what is open and finish the tree."""
        try:
            self._settle_to_entry()
            while any(o.token.kind == ID["LBRACE"] for o in self.opens):
                self._close(1)
            self._reduce(ID["END"])
        except _Stop:
            return None
        if self.states[-1] != ENDS["file"]:
            return None
        module: ast.Module = finish(self.builder, self.values[-1])
        return module

    def peek(self, distance: int) -> Token:
        """The token that comes `distance` after the next one."""
        while len(self.ahead) <= distance:
            self.ahead.append(self.lexer.next())
        return self.ahead[distance]

    def _kind(self, token: Token) -> int:
        """What the token is here: a keyword is a name where only a name can stand."""
        kind = token.kind
        if kind in _KEYWORD_KINDS and not self.accepts(kind) and self.accepts(ID["NAME"]):
            kind = ID["NAME"]
        if kind == ID["NAME"] and token.odd in ("hyphen", "letters") and self.accepts(kind):
            self.lexer.odd_name(token)
            token.odd = ""
        return kind

    def _take(self, token: Token, kind: int) -> None:
        self._shift(token, kind)
        self.ahead.popleft()
        self.previous = token

    def accepts(self, kind: int) -> bool:
        """Whether a token of this kind can come next."""
        return after(self.states, kind) is not None

    def _shift(self, token: Token, kind: int) -> None:
        self._reduce(kind)
        action = ACTIONS[self.states[-1]].get(kind, -1)
        assert action >= 0
        if kind in _OPENING:
            self._open(token)
        elif kind in _CLOSING:
            opened = self.opens.pop()
            if (
                self.suspect is None
                and token.first
                and kind == ID["RBRACE"]
                and token.indent < opened.token.indent
            ):
                self.suspect = opened, token
        if token.value is not None:
            self.builder.nodes[token.span] = token.value
        if token.word:
            self.builder.words[token.span] = token.word
        self._push(action, kind, token.span, token)
        if len(self.states) > STACK_MAX:
            self._too_deep(token)
        if kind in _CLOSING:  # what is closed is whole: leaving it later must not open it again
            following = next(iter(ACTIONS[action].values()))
            if following < 0:
                self._reduce_once(following)

    def _push(self, state: int, symbol: int, value: Any, token: Token | None) -> None:
        self.states.append(state)
        self.symbols.append(symbol)
        self.values.append(value)
        self.tokens.append(token)

    def _pop(self, size: int) -> None:
        if size:
            del self.states[-size:], self.symbols[-size:], self.values[-size:], self.tokens[-size:]

    def _reduce(self, kind: int) -> None:
        """Complete the rules that are complete if a token of this kind comes next."""
        while (action := ACTIONS[self.states[-1]].get(kind, 0)) < 0:
            self._reduce_once(action)

    def _reduce_once(self, action: int) -> None:
        symbol, size, method = self.rules[~action]
        first = next((t for t in self.tokens[len(self.tokens) - size :] if t), None)
        value = method(self.values[len(self.values) - size :])
        self._pop(size)
        self._push(ACTIONS[self.states[-1]][symbol], symbol, value, first)

    def _open(self, token: Token) -> None:
        place = ""
        if token.kind == ID["LBRACE"]:
            head = next((s for s in reversed(self.symbols) if s in _HEADS), 0)
            place = PLACES.get(SYMBOLS[head], "map")
            if self.symbols[-1] not in (head, ID["NAME"], ID["TYPED"]) and (
                SYMBOLS[self.symbols[-1]] not in BEFORE_BLOCK
            ):
                place = "map"
        if len(self.opens) >= NESTING_MAX:
            self._too_deep(token)
        self.opens.append(Open(token, place, len(self.symbols)))

    def _too_deep(self, token: Token) -> None:
        self.report(
            RF129,
            token.span,
            f"blocks and values are nested more than {NESTING_MAX} deep",
            help="move inner parts into `let`, groups or flows of their own",
        )
        raise _Stop

    # -- mending

    def _mend(self, token: Token) -> None:
        """Say what is wrong at this token, and get to a place from where to read on."""
        if token.kind == ID["NAME"] and self.peek(1).word == "=" and self.accepts(ID["KEY"]):
            self.ahead.popleft()  # a look-alike of `=`, which is reported already
            self.ahead[0] = as_kind(token, "KEY", self.ahead[0].end)
            return
        situation = self._situation(token)
        slip = slips.find(situation, between=False)
        if slip is None:
            if situation.complete and not situation.in_brackets:
                self._settle()
                situation = self._situation(token)
            slip = slips.find(situation, between=True) or last_resort(situation)
        start = situation.head.start if situation.head else token.start
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
            self._close(slip.close)
        elif slip.insert is not None and self._goes_on(slip):
            for _ in range(slip.drop):
                self.peek(0)
                self.ahead.popleft()
            self.ahead.extendleft(reversed(slip.insert))
        else:
            self._skip(token)

    def _goes_on(self, slip: Slip) -> bool:
        """Whether reading goes on with what the slip puts in; not twice at one place."""
        here = self.peek(0).start
        if not slip.drop:
            if self.stuck == here:
                return False
            self.stuck = here
        states: list[int] | None = self.states
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

    def _entry_start(self) -> int:
        """How many symbols of the stack stand before the entry that is being read."""
        start = len(self.symbols)
        while start and not self._at_entry(start):
            start -= 1
        return start

    def _head(self) -> Token | None:
        """The token that began the entry that is being read."""
        start = self._entry_start()
        return self.tokens[start] if start < len(self.tokens) else None

    def _situation(self, token: Token) -> Situation:
        head = self._head()
        return Situation(
            source=self.source,
            token=token,
            previous=self.previous,
            head=head,
            at_entry=self._entry_start() == len(self.symbols),
            complete=self.accepts(ID["RBRACE"]) or self.accepts(ID["END"]),
            opens=tuple(self.opens),
            peek=self.peek,
            accepts=self.accepts,
            closing=self._closing,
            follows=self._follows,
            suspect=self.suspect,
        )

    def _at_entry(self, size: int) -> bool:
        """Whether an entry of a block begins behind the first `size` symbols of the stack."""
        if size == 2:
            return True  # `rflow 1`
        symbol = self.symbols[size - 1] if size else 0
        return symbol in _ENTRIES or symbol == ID["LBRACE"]

    def _closing(self, kind: int) -> int:
        """How many blocks must be closed for a token of this kind to be accepted; 0: none helps."""
        states: list[int] | None = self.states
        for count in range(1, len(self.opens) + 1):
            assert states is not None
            states = after(states, ID["RBRACE"])
            if states is None:
                return 0
            if after(states, kind) is not None:
                return count
        return 0

    def _follows(self, kind: int, then: int) -> bool:
        states = after(self.states, kind)
        return states is not None and after(states, then) is not None

    def _settle(self) -> None:
        """Complete the entry that is complete."""
        self._reduce(ID["RBRACE"] if self.accepts(ID["RBRACE"]) else ID["FLOW"])

    def _settle_to_entry(self) -> None:
        """Complete the entry that is complete, or leave the one that is not."""
        if self.accepts(ID["RBRACE"]) or self.accepts(ID["END"]):
            self._settle()
        while len(self.symbols) > 2 and not self._at_entry(len(self.symbols)):
            self._pop(1)
            while self.opens and self.opens[-1].depth >= len(self.symbols):
                self.opens.pop()

    def _close(self, count: int) -> None:
        """Close the innermost blocks, as many as `count`."""
        for _ in range(count):
            self._settle_to_entry()
            at = self.previous.end if self.previous else 0
            self._shift(Token(ID["RBRACE"], at, at, False, 0), ID["RBRACE"])

    def _skip(self, refused: Token) -> None:
        """Leave the entry that the refused token stands in, and skip what is left of it."""
        if self._finish_header():
            return
        head = self._head() or refused
        self._settle_to_entry()
        depth = 0
        while (token := self.peek(0)).kind != ID["END"]:
            if depth == 0:
                if token.kind == ID["RBRACE"] and self.opens:
                    return
                if (token is not refused or token.first) and self._resumes(token):
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
            return self.accepts(token.kind)
        if token.kind not in _KEYWORD_KINDS:
            return False
        if token.first:
            if self.accepts(token.kind):
                return True
            block = next((o for o in reversed(self.opens) if o.place), None)
            return (
                block is not None
                and token.indent <= block.token.indent
                and self._closing(token.kind) > 0
            )
        block = self.opens[-1] if self.opens else None
        same_line = (
            block is not None and "\n" not in self.source.text[block.token.start : token.start]
        )
        return same_line and self.accepts(token.kind)

    def _finish_header(self) -> bool:
        """Where a block comes behind a broken header, make the header whole to read the block."""
        start = len(self.symbols)
        while start and not self._at_entry(start):
            start -= 1
        if (
            start == len(self.symbols)
            or self.symbols[start] not in _HEADS
            or self.opens_since(start)
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
        fill = _filling(self.states)
        if fill is None:
            return False
        for _ in range(distance):
            self.ahead.popleft()
        for kind in fill:
            self._shift(Token(kind, token.start, token.start, False, token.indent), kind)
        return True

    def opens_since(self, start: int) -> bool:
        """Whether anything was opened behind the first `start` symbols."""
        return any(symbol in _OPENING for symbol in self.symbols[start:])


def after(states: list[int], kind: int) -> list[int] | None:
    """The stack of states behind a token of this kind; None if it is not accepted."""
    low = len(states)
    top: list[int] = []
    state = states[-1]
    while True:
        action = ACTIONS[state].get(kind)
        if action is None:
            if kind == ID["END"] and state == ENDS["file"]:
                return states
            return None
        if action >= 0:
            return [*states[:low], *top, action]
        symbol, size, _ = RULES[~action]
        if size > len(top):
            low -= size - len(top)
            top = []
        elif size:
            del top[-size:]
        state = ACTIONS[top[-1] if top else states[low - 1]][symbol]
        top.append(state)


def _filling(states: list[int]) -> list[int] | None:
    """The fewest tokens behind which a `{` is accepted."""
    level: list[tuple[list[int], list[int]]] = [(states, [])]
    for _ in range(4):
        following = []
        for stack, kinds in level:
            if after(stack, ID["LBRACE"]) is not None:
                return kinds
            for kind in _FILL:
                longer = after(stack, kind)
                if longer is not None:
                    following.append((longer, [*kinds, kind]))
        level = following
    return None
