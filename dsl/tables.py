"""The generator of grammar/tables.py: LALR(1) tables and the lexer's pattern, from rflow.lark.

It owns nothing at run time: reading a flow uses the tables only. Run it after each change of the
grammar (`python -m rflow.dsl.tables`); a test says when the tables are out of date. Strict: a
conflict in the grammar is an error here. It must never make two different files from one grammar.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from rflow.dsl.strings import REFERENCE

STARTS = ("file", "reference")

_GAP = r"(?>(?:[ \t\r\n]++|#[^\n]*+\n){0,1000})"

_HEAD = '''\
# mypy: disable-error-code="unused-ignore"
# ruff: noqa
# fmt: off
"""Tables of the rflow grammar. Generated from rflow.lark by `python -m rflow.dsl.tables`.

PATTERN: one alternative a token, with the blanks before it; group n is token n. Then come the
keywords, then the nonterminals. ACTIONS: for each state, symbol → the next state, or ~rule to
reduce. RULES: the symbol, its length, the builder's method.
"""
'''


def grammar_text() -> str:
    """The text of rflow.lark."""
    return files("rflow.grammar").joinpath("rflow.lark").read_text(encoding="utf-8")


def generate() -> str:
    """The text of grammar/tables.py."""
    from lark import Lark
    from lark.lexer import Lexer, PatternStr

    class NoLexer(Lexer):
        def __init__(self, conf: Any) -> None:
            pass

        def lex(self, *_: Any) -> Any:
            raise NotImplementedError

    lark = Lark(grammar_text(), parser="lalr", lexer=NoLexer, strict=True, start=list(STARTS))
    table = lark.parser.parser._parse_table
    keywords, tokens = [], []
    for terminal in lark.terminals:
        pattern = terminal.pattern
        if isinstance(pattern, PatternStr) and pattern.value.isalpha():
            keywords.append((terminal.name, pattern.value))
        else:
            source = pattern.to_regexp().replace("GAP", _GAP).replace("REFERENCE", REFERENCE)
            tokens.append((terminal.name, terminal.priority, source))
    order = re.findall(r"^([A-Z]+)(?:\.\d)?:", grammar_text(), re.MULTILINE)
    tokens.sort(key=lambda t: (-t[1], order.index(t[0])))
    keywords.sort()
    _shorten(table)
    return _render(table, tokens, keywords)


def _shorten(table: Any) -> None:
    """Lead around states that do nothing but rename a symbol (`flow_item: member -> same`)."""

    def renamed(state: int) -> str | None:
        targets = {target for _, target in table.states[state].values()}
        kinds = {action.name for action, _ in table.states[state].values()}
        if kinds != {"Reduce"} or len(targets) != 1:
            return None
        (rule,) = targets
        return str(rule.origin.name) if rule.alias == "same" and len(rule.expansion) == 1 else None

    for row in table.states.values():
        for symbol, (action, target) in list(row.items()):
            while action.name == "Shift" and symbol.islower() and (name := renamed(target)):
                action, target = row[name]
                row[symbol] = action, target


def _render(table: Any, tokens: list[tuple[str, int, str]], keywords: list[tuple[str, str]]) -> str:
    names = ["", *(name for name, _, _ in tokens), "COMMENT", "END", "UNKNOWN"]
    alternatives = [source for _, _, source in tokens] + ["#[^\\n]*+", "\\Z", "[\\s\\S]"]
    pattern = "[ \\t\\r\\n]*+(?:" + "|".join(f"({a})" for a in alternatives) + ")"
    names += [name for name, _ in keywords]
    states, rules = _number(table)
    names += sorted({str(rule.origin.name) for rule in rules})
    ids = {name: index for index, name in enumerate(names)}
    ids["$END"] = ids["END"]
    rule_ids = {rule: index for index, rule in enumerate(rules)}
    numbers = {state: index for index, state in enumerate(states)}

    def row(state: int) -> str:
        cells = []
        for symbol, (action, target) in table.states[state].items():
            if symbol not in ids:
                continue  # only renamed: nothing is reduced to it
            shift = action.name == "Shift"
            cells.append((ids[symbol], numbers[target] if shift else ~rule_ids[target]))
        return "{" + ", ".join(f"{a}: {b}" for a, b in sorted(cells)) + "},"

    first_nonterminal = len(names) - len({rule.origin.name for rule in rules})
    lines = [
        _HEAD,
        f"PATTERN = {pattern!r}",
        f"SYMBOLS: tuple[str, ...] = {tuple(names)!r}",
        f"FIRST_NONTERMINAL = {first_nonterminal}",
        "KEYWORDS: dict[str, int] = {"
        + ", ".join(f"{text!r}: {ids[name]}" for name, text in keywords)
        + "}",
        f"COMMENT, END, UNKNOWN = {ids['COMMENT']}, {ids['END']}, {ids['UNKNOWN']}",
        "STARTS: dict[str, int] = "
        + repr({start: numbers[table.start_states[start]] for start in STARTS}),
        "ENDS: dict[str, int] = "
        + repr({start: numbers[table.end_states[start]] for start in STARTS}),
        "RULES: tuple[tuple[int, int, str], ...] = (",
        *(
            f"    ({ids[r.origin.name]}, {len(r.expansion)}, {str(r.alias or r.origin.name)!r}),"
            for r in rules
        ),
        ")",
        "ACTIONS: tuple[dict[int, int], ...] = (",
        *(f"    {row(state)}" for state in states),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _number(table: Any) -> tuple[list[int], list[Any]]:
    """States in the order of a walk from the starts, and the rules: both free of hash order."""
    states, rules = [table.start_states[start] for start in STARTS], []
    seen = set(states)
    for state in states:
        for _, (action, target) in sorted(table.states[state].items()):
            if action.name == "Shift":
                if target not in seen:
                    seen.add(target)
                    states.append(target)
            elif target not in rules:
                rules.append(target)
    rules.sort(key=lambda r: (r.origin.name, r.order))
    return states, rules


def main() -> None:
    """Write grammar/tables.py."""
    Path(str(files("rflow.grammar").joinpath("tables.py"))).write_text(generate(), encoding="utf-8")


if __name__ == "__main__":
    main()
