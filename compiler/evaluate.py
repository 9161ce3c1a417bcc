"""The one evaluator of expressions.

Pure and total: an expression gives a value or raises `EvalError`; it never loops, since there is
nothing to loop with but a filter over a list. No coercion and no truthiness: what typing allows
is what is computed, and what typing cannot know (`any`) is checked here. The rules:

- numbers: `+ - *` of ints give an int of at most 64 bits, `/` gives a float always; results
  that no JSON number can hold, and division by zero, are errors. Durations are numbers;
- `==` compares by value: `1 == 1.0`, but `true` is not `1`; a missing value equals only another;
- `in` looks into a list, the keys of a map, or a string; `matches` takes a glob (`globs`);
- `and`, `or` and `if` evaluate only what decides;
- a missing value may be compared, passed on, or given to `default` and `required`; no more.

A secret that the scope hides is `Masked`. Whatever is made from one is masked too: nothing can be
learnt from the result, and nothing fails because a mask is no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from rflow.compiler.operate import (
    MASK,
    EvalError,
    Masked,
    checked,
    holds_mask,
    operate,
    scalar_text,
    shown,
    truth,
    what,
)
from rflow.compiler.tree import (
    Apply,
    Choose,
    Expr,
    Format,
    Get,
    Lambda,
    ListOf,
    Literal,
    MapOf,
    Pipe,
    Root,
)
from rflow.plugins.types import Json

Filters = Mapping[str, Callable[..., Json]]
MISSING_OK = frozenset({"default", "required"})


class Scope(Protocol):
    """What an expression can see."""

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        """The value; None if it is missing."""
        ...


class _Element:
    """The scope within a lambda: `it` is an element, all else is as outside."""

    def __init__(self, outer: Scope, item: Json) -> None:
        self.outer, self.item = outer, item

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        return dig(self.item, path) if root == "it" else self.outer.get(root, path)


def dig(value: Json, path: tuple[str | int, ...]) -> Json:
    """Follow a path into a value; None where it leads nowhere, a mask stays one."""
    for part in path:
        if isinstance(value, Masked):
            return value
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and -len(value) <= part < len(value):
            value = value[part]
        else:
            return None
    return value


def references(expr: Expr | Lambda) -> Iterator[Get]:
    """Every `Get` in the expression, in the order of the text."""
    stack: list[Expr | Lambda] = [expr]
    while stack:
        match stack.pop():
            case Get() as get:
                yield get
            case Format(parts) | ListOf(parts) | Apply(_, parts):
                stack.extend(reversed(parts))
            case MapOf(entries):
                stack.extend(part for _, part in reversed(entries))
            case Choose(condition, then, otherwise):
                stack += (otherwise, then, condition)
            case Pipe(subject, _, args):
                stack.extend(reversed(args))
                stack.append(subject)
            case Lambda(body):
                stack.append(body)
            case Literal():
                pass


def evaluate(expr: Expr, scope: Scope, filters: Filters) -> Json:
    """The value of the expression; EvalError if it has none."""
    try:
        return _value(expr, scope, filters)
    except RecursionError:
        raise EvalError("the expression is nested too deeply", "depth") from None


def _value(expr: Expr, scope: Scope, filters: Filters) -> Json:
    match expr:
        case Literal(value):
            return value
        case Get(root, path):
            return scope.get(root, path)
        case Format(parts):
            values = [_value(part, scope, filters) for part in parts]
            text = "".join(
                part_text(part, value) for part, value in zip(parts, values, strict=True)
            )
            return Masked(text) if any(isinstance(v, Masked) for v in values) else text
        case Apply(op, args):
            return _operator(op, args, scope, filters)
        case Pipe():
            return _pipe(expr, scope, filters)
        case Choose(condition, then, otherwise):
            holds = _value(condition, scope, filters)
            if isinstance(holds, Masked):
                return MASK
            chosen = then if truth(holds, "the condition of `if`") else otherwise
            return _value(chosen, scope, filters)
        case ListOf(items):
            return [_value(item, scope, filters) for item in items]
        case MapOf(entries):
            return {key: _value(item, scope, filters) for key, item in entries}


# -- filters -----------------------------------------------------------------------------------


def _pipe(expr: Pipe, scope: Scope, filters: Filters) -> Json:
    subject = _value(expr.subject, scope, filters)
    args = [
        _chain(arg.body, scope, filters) if isinstance(arg, Lambda) else _value(arg, scope, filters)
        for arg in expr.args
    ]
    return apply_filter(expr, subject, args, filters)


def apply_filter(expr: Pipe, subject: Json, args: Sequence[object], filters: Filters) -> Json:
    """The result of the filter of `expr` for values."""
    name = expr.name
    if subject is None and name not in MISSING_OK:
        raise EvalError(f"{what(expr.subject)} is missing, and `{name}` needs a value", "missing")
    if holds_mask(subject) or any(holds_mask(arg) for arg in args):
        return MASK
    function = filters.get(name)
    if function is None:
        raise EvalError(f"there is no filter `{name}` here", "filter")
    try:
        result = function(subject, *args)
    except _Hidden:
        return MASK
    except (EvalError, RecursionError):
        raise
    except ValueError as error:
        text = str(error).removeprefix(f"{name}: ")
        raise EvalError(f"`{name}`: {text}", "filter") from error
    except Exception as error:
        # Typing lets through what only the run can know, so that the value may be to blame.
        raise EvalError(
            f"`{name}` cannot take {shown(subject)}, or is at fault: "
            f"{type(error).__name__}: {error}",
            "filter",
        ) from error
    return checked(result) if isinstance(result, int | float) else result


class _Hidden(Exception):
    """A chain came upon a secret; what the filter gives cannot be known."""


def _chain(body: Expr, scope: Scope, filters: Filters) -> Callable[[Json], Json]:
    def result(item: Json) -> Json:
        value = _value(body, _Element(scope, item), filters)
        if holds_mask(value):
            raise _Hidden
        return value

    return result


# -- operators and texts ---------------------------------------------------------------------


def _operator(op: str, args: tuple[Expr, ...], scope: Scope, filters: Filters) -> Json:
    if op in ("and", "or"):
        return _connective(op, args, scope, filters)
    values = [_value(arg, scope, filters) for arg in args]
    return operate(op, args, values)


def _connective(op: str, args: tuple[Expr, ...], scope: Scope, filters: Filters) -> Json:
    masked = False
    for arg in args:
        value = _value(arg, scope, filters)
        if isinstance(value, Masked):
            masked = True
        elif truth(value, f"`{op}`") == (op == "or"):
            return op == "or"
    return MASK if masked else op == "and"


def part_text(part: Expr, value: Json) -> str:
    """The text of a part of an interpolated string; an error names the part."""
    if value is None:
        raise EvalError(f"{what(part)} is missing, and a string needs it", "missing")
    return scalar_text(value)
