"""The types of operators: what each takes and what it gives.

This module owns one table-like function, `apply_operator`, the counterpart of what
`evaluate` does with values; the two must agree, and a property test holds them to it.
"""

from __future__ import annotations

from rflow.compiler.relations import (
    TypeMismatch,
    assignable,
    base,
    comparable,
    constants,
    join,
    present,
    widen,
)
from rflow.plugins.notation import show_type
from rflow.plugins.types import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    Constant,
    List,
    Map,
    Optional,
    Record,
    Type,
)

_WORDS = {"+": "added", "-": "subtracted", "*": "multiplied", "/": "divided"}


def apply_operator(op: str, operands: tuple[Type, ...]) -> Type:
    """The type of an operator's result; TypeMismatch where an operand does not fit.

    `op` is one of those of `expr.Apply`.
    """
    if op in ("==", "!="):
        return _equality(operands[0], operands[1])
    for index, operand in enumerate(operands):
        if isinstance(operand, Optional):
            raise TypeMismatch(
                f"this may be missing (it is {a_type(operand)}), and `{_shown(op)}` needs a value",
                index,
                "give it a default: `$<… | default(…)>`",
            )
    match op:
        case "and" | "or" | "not":
            for index, operand in enumerate(operands):
                expect(operand, BOOL, f"`{op}`", index)
            return BOOL
        case "<" | "<=" | ">" | ">=":
            return _ordering(op, operands[0], operands[1])
        case "in":
            return _membership(operands[0], operands[1])
        case "matches":
            expect(operands[0], STRING, "`matches`", 0)
            expect(operands[1], STRING, "the pattern of `matches`", 1)
            return BOOL
        case "neg":
            return _negation(operands[0])
        case "duration":
            expect(operands[0], DURATION, "the text of a duration", 0)
            return STRING
        case _:
            return _arithmetic(op, operands[0], operands[1])


def expect(given: Type, wanted: Type, who: str, index: int | None) -> None:
    """TypeMismatch unless `given` fits: `who` needs a `wanted`."""
    if assignable(given, wanted):
        return
    hint = None
    if wanted == BOOL:
        hint = "there is no truthiness: compare it with something, `… == …`"
    elif isinstance(given, Optional) and assignable(given.item, wanted):
        hint = "it may be missing: give it a default, `$<… | default(…)>`"
    elif wanted == STRING:
        hint = 'nothing becomes a string by itself: write `"$<…>"`'
    raise TypeMismatch(f"{who} needs {a_type(wanted)}, but this is {a_type(given)}", index, hint)


def a_type(type_: Type) -> str:
    """The type with its article, in backquotes: "an `int`"."""
    text = show_type(type_)
    if isinstance(type_, Constant):
        return f"`{text}`"
    return f"{'an' if text[0] in 'aeiou' else 'a'} `{text}`"


def _shown(op: str) -> str:
    return {"neg": "-", "duration": "$<…>"}.get(op, op)


def _equality(left: Type, right: Type) -> Type:
    if not comparable(left, right):
        hint = None
        known = constants(left)
        if known is not None and isinstance(right, Constant):
            hint = f"it can be {one_of(known)}"
        raise TypeMismatch(
            f"this can never hold: one side is {a_type(left)}, the other {a_type(right)}", 1, hint
        )
    return BOOL


def one_of(known: tuple[Constant, ...]) -> str:
    """The constants as people list them: `"a"`, `"b"` or `"c"`; the first few of many."""
    shown = [f"`{show_type(constant)}`" for constant in known[:8]]
    if len(known) > 8:
        return f"{', '.join(shown)} or one of {len(known) - 8} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _ordering(op: str, left: Type, right: Type) -> Type:
    for one, other, index in ((left, right, 1), (right, left, 0)):
        for scale in (FLOAT, DURATION):
            if one != ANY and assignable(one, scale):
                expect(other, scale, f"`{op}` with {a_type(one)}", index)
                return BOOL
    if (left, right) == (ANY, ANY):
        return BOOL
    raise TypeMismatch(
        f"`{op}` compares numbers or durations, but this is {a_type(left)}",
        0,
        "strings have no order; use `==`, `in` or `matches`" if assignable(left, STRING) else None,
    )


def _membership(item: Type, whole: Type) -> Type:
    if whole == ANY:
        return BOOL
    if isinstance(whole, List):
        if not comparable(item, whole.item):
            raise TypeMismatch(
                f"this can never hold: {a_type(item)} is never in a list of {a_type(whole.item)}", 0
            )
        return BOOL
    if isinstance(whole, Map | Record):
        expect(item, STRING, "`in` a map", 0)
        return BOOL
    if assignable(whole, STRING):
        expect(item, STRING, "`in` a string", 0)
        return BOOL
    raise TypeMismatch(f"`in` looks into a list, a map or a string, but this is {a_type(whole)}", 1)


def _negation(operand: Type) -> Type:
    if isinstance(operand, Constant) and base(operand) in (INT, FLOAT):
        return Constant(-operand.value)  # type: ignore[operator]
    if operand == ANY or assignable(operand, FLOAT):
        return widen(operand)
    raise TypeMismatch(f"`-` needs a number, but this is {a_type(operand)}", 0)


def _arithmetic(op: str, left: Type, right: Type) -> Type:
    left, right = widen(present(left)), widen(present(right))
    if ANY in (left, right):
        return ANY
    if op == "+" and isinstance(left, List) and isinstance(right, List):
        return join(left, right)
    number = assignable(left, FLOAT), assignable(right, FLOAT)
    length = assignable(left, DURATION), assignable(right, DURATION)
    if all(number):
        return INT if (left, right) == (INT, INT) and op != "/" else FLOAT
    if all(length) and op != "*":
        return FLOAT if op == "/" else DURATION
    if length[0] and number[1] and op in "*/":
        return DURATION
    if number[0] and length[1] and op == "*":
        return DURATION
    if op == "+" and STRING in (left, right):
        raise TypeMismatch(
            "`+` does not join strings", None, 'write both into one string: `"$<…>$<…>"`'
        )
    wrong = 1 if number[0] or length[0] else 0
    raise TypeMismatch(f"{a_type(left)} and {a_type(right)} cannot be {_WORDS[op]}", wrong)
