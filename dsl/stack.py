"""The parser's stack on the error path: what is open, what would be accepted, how to get out.

It moves by the grammar's tables and calls the builder; it decides nothing and reports nothing but
what is nested too deeply.
"""

from __future__ import annotations

from typing import Any

from rflow.dsl.situation import BEFORE_BLOCK, PLACES, Open
from rflow.dsl.slow_builder import SlowBuilder
from rflow.dsl.tokens import ID, Token
from rflow.grammar.tables import ACTIONS, ENDS, RULES, STARTS, SYMBOLS

NESTING_MAX = 100
STACK_MAX = 2_000

_OPENING = {ID["LBRACE"]: ID["RBRACE"], ID["LSQB"]: ID["RSQB"], ID["LPAR"]: ID["RPAR"]}
_CLOSING = set(_OPENING.values())
_ENTRIES = frozenset(
    number
    for number, name in enumerate(SYMBOLS)
    if name.startswith(("entries{", "tight_entries{")) or name == "declarations"
)
HEADS = {ID[name] for name in PLACES}
_FILL = [ID[name] for name in ("NAME", "TYPED", "AS", "FAILURE")]


class TooDeep(Exception):
    """Blocks or values are nested too deeply at a token."""

    def __init__(self, token: Token) -> None:
        super().__init__()
        self.token = token


class Stack:
    """States of the parser, and for each symbol its value and the token that it began with."""

    def __init__(self, builder: SlowBuilder) -> None:
        self.builder = builder
        self.rules = [(s, n, getattr(builder, name)) for s, n, name in RULES]
        self.states = [STARTS["file"]]
        self.values: list[Any] = []
        self.symbols: list[int] = []
        self.tokens: list[Token | None] = []
        self.opens: list[Open] = []
        self.previous: Token | None = None
        self.suspect: tuple[Open, Token] | None = None

    def accepts(self, kind: int) -> bool:
        """Whether a token of this kind can come next."""
        return after(self.states, kind) is not None

    def shift(self, token: Token, kind: int) -> None:
        self.reduce(kind)
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
            raise TooDeep(token)
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

    def reduce(self, kind: int) -> None:
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
            head = next((s for s in reversed(self.symbols) if s in HEADS), 0)
            place = PLACES.get(SYMBOLS[head], "map")
            if self.symbols[-1] not in (head, ID["NAME"], ID["TYPED"]) and (
                SYMBOLS[self.symbols[-1]] not in BEFORE_BLOCK
            ):
                place = "map"
        if len(self.opens) >= NESTING_MAX:
            raise TooDeep(token)
        self.opens.append(Open(token, place, len(self.symbols)))

    def entry_start(self) -> int:
        """How many symbols of the stack stand before the entry that is being read."""
        start = len(self.symbols)
        while start and not self.at_entry(start):
            start -= 1
        return start

    def head(self) -> Token | None:
        """The token that began the entry that is being read."""
        start = self.entry_start()
        return self.tokens[start] if start < len(self.tokens) else None

    def at_entry(self, size: int) -> bool:
        """Whether an entry of a block begins behind the first `size` symbols of the stack."""
        if size == 2:
            return True  # `rflow 1`
        symbol = self.symbols[size - 1] if size else 0
        return symbol in _ENTRIES or symbol == ID["LBRACE"]

    def closing(self, kind: int) -> int:
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

    def follows(self, kind: int, then: int) -> bool:
        states = after(self.states, kind)
        return states is not None and after(states, then) is not None

    def settle(self) -> None:
        """Complete the entry that is complete."""
        self.reduce(ID["RBRACE"] if self.accepts(ID["RBRACE"]) else ID["FLOW"])

    def settle_to_entry(self) -> None:
        """Complete the entry that is complete, or leave the one that is not."""
        if self.accepts(ID["RBRACE"]) or self.accepts(ID["END"]):
            self.settle()
        while len(self.symbols) > 2 and not self.at_entry(len(self.symbols)):
            self._pop(1)
            while self.opens and self.opens[-1].depth >= len(self.symbols):
                self.opens.pop()

    def close(self, count: int) -> None:
        """Close the innermost blocks, as many as `count`."""
        for _ in range(count):
            self.settle_to_entry()
            at = self.previous.end if self.previous else 0
            self.shift(Token(ID["RBRACE"], at, at, False, 0), ID["RBRACE"])

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


def filling(states: list[int]) -> list[int] | None:
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
