"""Plans in a form in which only what matters can differ, for comparing two of them.

Values take the place of the bindings that name them, constants are worked out, a script is its
text with the values in it, an element of a loop is known by the loop's depth, a secret by where it
comes from. Each binding is worked out once, after those that it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct, field
from rflow.compiler.evaluate import dig, evaluate, references
from rflow.compiler.operate import EvalError, scalar_text
from rflow.compiler.plan import Json, Node, Plan
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

PARTS_MAX = 256
"""A string of more parts is not taken apart further."""

INTO = "."
"""The name that stands, here only, for reading a path of a value that is not known."""

SCRIPT = "script"
"""The operator that stands, here only, for a script: its text with the values in their places, and
how many of these hold text of the flow's own, which might stand in the script as well."""

Place = tuple[str, str]
"""Where a secret comes from: its source and its key."""
NOWHERE: Mapping[Place, Place] = {}

_REFERENCE = re.compile(
    r"'\"\$\{RFLOW_REF_(\d+)\}\"'|\"\$\{RFLOW_REF_(\d+)\}\"|\$\{RFLOW_REF_(\d+)\}"
)


class _Nothing:
    """The scope of constants."""

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        raise EvalError("not a constant", "missing")


class Part(Struct):
    """A node in its normal form. `inputs` are by name; `whens` and `lock` as they are shown."""

    node: Node
    inputs: dict[str, Expr]
    whens: list[Expr]
    loops: list[tuple[Expr, int | None]]
    lock: Expr | None
    undo: dict[str, Expr]

    @property
    def id(self) -> str:
        """The node's id."""
        return self.node.id


class Normal(Struct):
    """A plan in its normal form. `order` has the bindings, each after those that it reads;
    `direct` what each node comes after directly, joins and what follows anyway left out,
    `ancestors` all that it comes after, as bits of the numbers in `index`."""

    plan: Plan
    order: list[str] = field(default_factory=list)
    values: dict[str, Expr] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    triggers: dict[str, dict[str, Expr]] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)
    index: dict[str, int] = field(default_factory=dict)
    ancestors: dict[str, int] = field(default_factory=dict)
    direct: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, aliases: Mapping[Place, Place] = NOWHERE) -> Normal:
        """The normal form of a plan. `aliases` says which secrets stand for which others, by
        where they come from."""
        found = cls(plan)
        for secret in plan.secrets:
            place = (secret.source, secret.key)
            found.secrets[secret.name] = aliases.get(place, place)
        parents = {loop.id: loop.parent for loop in plan.loops}
        for loop, parent in parents.items():
            depth, at = 0, parent
            while at is not None:
                depth, at = depth + 1, parents[at]
            found.depths[loop] = depth
        found.order = bindings_in_order(plan)
        for name in found.order:
            found.values[name] = found.normal(plan.values[name])
        for trigger in plan.triggers:
            found.triggers[trigger.name] = {n: found.normal(e) for n, e in trigger.inputs.items()}
        loops = {loop.id: (found.normal(loop.over), loop.at_most) for loop in plan.loops}
        for node in plan.nodes:
            if node.kind != "join":
                found.parts[node.id] = found._part(node, loops)
            found._place(node)
        return found

    def _place(self, node: Node) -> None:
        above: dict[str, None] = {}
        for before in node.after:
            shown = [before] if before in self.parts else self.direct[before]
            above.update(dict.fromkeys(shown))
        known = 0
        for id in above:
            known |= self.ancestors[id]
        self.direct[node.id] = [id for id in above if not known & self.bit(id)]
        self.index[node.id] = len(self.index)
        for id in above:
            known |= self.bit(id)
        self.ancestors[node.id] = known

    def bit(self, id: str) -> int:
        """The bit of a node in sets of nodes."""
        return 1 << self.index[id]

    def after(self, id: str, before: str) -> bool:
        """Whether a node comes after another."""
        return bool(self.ancestors[id] & self.bit(before))

    def before(self, id: str) -> list[str]:
        """All that a node comes after, joins left out."""
        found: dict[str, None] = {}
        stack = [*self.direct[id]]
        while stack:
            at = stack.pop()
            if at not in found:
                found[at] = None
                stack += self.direct[at]
        return [*found]

    def _part(self, node: Node, loops: Mapping[str, tuple[Expr, int | None]]) -> Part:
        inputs = {name: self.normal(expr) for name, expr in (node.inputs or {}).items()}
        for name, variables in (node.program or {}).items():
            inputs[name] = self._script(inputs.get(name), variables)
        undo = {name: self.normal(expr) for name, expr in node.contract.inputs}
        if node.contract.program:
            for name, expr in undo.items():
                undo[name] = self._script(expr, node.contract.program)
        return Part(
            node,
            inputs,
            [part for expr, _ in node.whens for part in conjuncts(self.normal(expr))],
            [loops[loop] for loop in node.loops],
            None if node.lock is None else self.normal(node.lock),
            undo,
        )

    def _script(self, text: Expr | None, variables: tuple[tuple[str, Expr], ...]) -> Expr:
        """The text of a script with the values of its references in their places; how a value is
        quoted there is dropped, since it is data however it is."""
        if not isinstance(text, Literal) or not isinstance(text.value, str):
            return ListOf((text or Literal(None), *(self.normal(expr) for _, expr in variables)))
        known = {name: self.normal(expr) for name, expr in variables}
        parts: list[Expr] = []
        script, at, texts = text.value, 0, 0
        for match in _REFERENCE.finditer(script):
            value = known.get(f"RFLOW_REF_{match[1] or match[2] or match[3]}")
            if value is None:
                continue
            texts += isinstance(value, Literal | Format)
            parts += [Literal(script[at : match.start()]), value]
            at = match.end()
        parts.append(Literal(script[at:]))
        return Apply(SCRIPT, (_string(parts), Literal(texts)))

    # -- expressions -------------------------------------------------------------------------

    def normal(self, expr: Expr) -> Expr:
        """The expression with what is known in the places of the names for it."""
        match expr:
            case Literal():
                return expr
            case Get(root, path):
                return self._get(root, path)
            case Format(parts):
                return _string([self.normal(part) for part in parts])
            case ListOf(items):
                return _constant(ListOf(tuple(map(self.normal, items))))
            case MapOf(entries):
                found = sorted((name, self.normal(item)) for name, item in entries)
                return _constant(MapOf(tuple(found)))
            case Apply(op, args):
                return _constant(Apply(op, tuple(map(self.normal, args))))
            case Choose(condition, then, otherwise):
                made = Choose(self.normal(condition), self.normal(then), self.normal(otherwise))
                if isinstance(made.condition, Literal):
                    return made.then if made.condition.value is True else made.otherwise
                return made
            case Pipe(subject, name, args):
                return Pipe(self.normal(subject), name, tuple(map(self._argument, args)))

    def _argument(self, arg: Expr | Lambda) -> Expr | Lambda:
        return Lambda(self.normal(arg.body)) if isinstance(arg, Lambda) else self.normal(arg)

    def _get(self, root: Root, path: tuple[str | int, ...]) -> Expr:
        if root == "value":
            return _into(self.values[str(path[0])], path[1:])
        if root == "each":
            return Get("each", (self.depths[str(path[0])], *path[1:]))
        if root == "secret":
            return Get("secret", (" ".join(self.secrets[str(path[0])]), *path[1:]))
        if root == "trigger" and path[0] == "trigger":
            git = [t.name for t in self.plan.triggers if t.kind == "git"]
            return Get("trigger", (git[0] if len(git) == 1 else "trigger", *path[1:]))
        return Get(root, path)


def bindings_in_order(plan: Plan) -> list[str]:
    """The names of the bindings, each after those that it reads."""
    order: dict[str, None] = {}
    for first in plan.values:
        stack = [first]
        while stack:
            name = stack[-1]
            wanted = [
                str(get.path[0])
                for get in references(plan.values[name])
                if get.root == "value" and str(get.path[0]) not in order
            ]
            if name in order or not wanted:
                order[stack.pop()] = None
            else:
                stack += wanted
    return [*order]


def conjuncts(expr: Expr) -> Iterator[Expr]:
    """The conditions that must all hold for this one to hold."""
    if isinstance(expr, Apply) and expr.op == "and":
        for arg in expr.args:
            yield from conjuncts(arg)
    elif expr != Literal(True):
        yield expr


def _into(value: Expr, path: tuple[str | int, ...]) -> Expr:
    for number, part in enumerate(path):
        match value:
            case Get(root, known):
                return Get(root, (*known, *path[number:]))
            case Literal(known):
                return Literal(dig(known, path[number:]))
            case MapOf(entries) if part in dict(entries):
                value = dict(entries)[str(part)]
            case ListOf(items) if isinstance(part, int) and -len(items) <= part < len(items):
                value = items[part]
            case _:
                return Pipe(value, INTO, tuple(Literal(rest) for rest in path[number:]))
    return value


def _string(parts: list[Expr]) -> Expr:
    """An interpolated string: texts side by side are one, strings within it are part of it."""
    found: list[Expr] = []
    for part in parts:
        inner = part.parts if isinstance(part, Format) else (part,)
        if len(found) + len(inner) > PARTS_MAX:
            inner = (part,)
        for piece in inner:
            text = _text(piece)
            last = found[-1] if found else None
            if text == "":
                continue
            if text is not None and isinstance(last, Literal) and len(text) < 1 << 16:
                found[-1] = Literal(f"{last.value}{text}")
            else:
                found.append(piece if text is None else Literal(text))
    if not found:
        return Literal("")
    if len(found) == 1 and isinstance(found[0], Literal):
        return found[0]
    return Format(tuple(found))


def _text(expr: Expr) -> str | None:
    """The text of a constant."""
    if isinstance(expr, Literal):
        try:
            return scalar_text(expr.value)
        except EvalError:
            return None
    return None


def _constant(expr: ListOf | MapOf | Apply) -> Expr:
    """The value, if it is made of constants."""
    match expr:
        case MapOf(entries):
            parts = tuple(item for _, item in entries)
        case ListOf(parts) | Apply(_, parts):
            pass
    if not all(isinstance(part, Literal) for part in parts):
        return expr
    try:
        return Literal(evaluate(expr, _Nothing(), {}))
    except EvalError:
        return expr


def loose(script: Expr) -> Expr:
    """The text of a script without its quotes: one written out may need them, a value does not."""
    match script:
        case Literal(str() as text):
            return Literal(text.translate(_QUOTES))
        case Format(parts):
            return Format(tuple(map(loose, parts)))
        case _:
            return script


_QUOTES = {ord('"'): None, ord("'"): None}
