"""What holds of each node of a plan: what it comes after, which gates it is behind, which secrets
and which text from outside reach it.

A gate counts for a node as it does for the compiler: it must be among what the node comes after,
must not be skippable, and the loops it stands in and the node does not must have a turn for sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field
from rflow.compiler.evaluate import references
from rflow.compiler.plan import Node
from rflow.compiler.safety_normal import Normal
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
)
from rflow.plugins.types import Specs

Source = tuple[str, ...]
"""Where a secret or a text from outside comes from: `("env", "DSN")`, `("args", "note")`."""

_NO_TEXT = re.compile(r"->\s*(int|float|bool|duration)\s*$")
_PLAIN_TYPE = re.compile(r'(int|float|bool|duration|artifact|"(?:[^"\\]|\\.)*"|[-\d.]+|[ |?()])*')


def is_effect(node: Node) -> bool:
    """Whether the node changes something outside the run."""
    return node.effect is not None and node.contract.type != "pure"


def why_no_gate(node: Node) -> str | None:
    """Why an approval is no gate; None if it is one."""
    if node.whens:
        return "it may be skipped: it has a `when`"
    if node.continue_on_failure:
        return "the run goes on without it: `continue on failure`"
    if node.section != "main":
        return "it is not in the main part of the flow"
    return None


class Facts(Struct):
    """The facts of a plan."""

    normal: Normal
    specs: Specs
    gates: list[Node] = field(default_factory=list)
    secrets: dict[str, frozenset[Source]] = field(default_factory=dict)
    untrusted: dict[str, frozenset[Source]] = field(default_factory=dict)
    guards: int = 0
    """Nodes that an effect comes after, as bits."""
    read: set[str] = field(default_factory=set)
    """Nodes whose outputs are read by something."""

    def __post_init__(self) -> None:
        plan = self.normal.plan
        self.gates = [node for node in plan.nodes if node.approval is not None]
        reach = Reach(self.normal, self.specs)
        for node in plan.nodes:
            if is_effect(node):
                self.guards |= self.normal.ancestors[node.id]
            if node.kind != "join":
                self.secrets[node.id] = reach.secrets(node)
                self.untrusted[node.id] = reach.untrusted(node)
        self.read = reach.read

    def gates_of(self, node: Node) -> list[Node]:
        """The gates that a node is behind."""
        return [
            gate
            for gate in self.gates
            if why_no_gate(gate) is None
            and self.normal.after(node.id, gate.id)
            and self._sure(gate, node)
        ]

    def _sure(self, gate: Node, node: Node) -> bool:
        """Whether the gate is asked before the node, however many turns its loops have."""
        part = self.normal.parts[gate.id]
        for loop, (over, _) in zip(gate.loops, part.loops, strict=True):
            known = isinstance(over, Literal) and isinstance(over.value, list) and over.value
            if loop not in node.loops and not known:
                return False
        return True


class Reach:
    """What reaches the nodes of a plan. Bindings are looked at once, after those they read."""

    def __init__(self, normal: Normal, specs: Specs) -> None:
        plan = normal.plan
        self.specs = specs
        self.read: set[str] = set()
        self._kinds = {node.id: node for node in plan.nodes}
        self._secret_names = normal.secrets
        self._secret_args = {arg.name for arg in plan.args if arg.secret}
        self._open_args = set[str]()
        if any(trigger.kind == "webhook" for trigger in plan.triggers):
            self._open_args = {
                arg.name
                for arg in plan.args
                if not arg.secret and not _PLAIN_TYPE.fullmatch(arg.type)
            }
        self._webhook = any(trigger.kind == "webhook" for trigger in plan.triggers)
        self._triggers = {trigger.name: trigger.kind for trigger in plan.triggers}
        self._secrets: dict[str, frozenset[Source]] = {}
        self._untrusted: dict[str, frozenset[Source]] = {}
        for name in normal.order:
            value = plan.values[name]
            self._secrets[name] = self._secrets_in(value)
            self._untrusted[name] = self._untrusted_in(value)

    def secrets(self, node: Node) -> frozenset[Source]:
        """The secrets that a node's inputs, and those of its undo, read."""
        return frozenset().union(*map(self._secrets_in, _given(node)))

    def untrusted(self, node: Node) -> frozenset[Source]:
        """The texts from outside that a node's inputs, and those of its undo, hold."""
        for condition, _ in node.whens:
            self._secrets_in(condition)
        return frozenset().union(*map(self._untrusted_in, _given(node)))

    def _secrets_in(self, expr: Expr) -> frozenset[Source]:
        found: set[Source] = set()
        for get in references(expr):
            name = str(get.path[0]) if get.path else ""
            match get.root:
                case "value":
                    found |= self._secrets[name]
                case "secret":
                    found.add(self._secret_names[name])
                case "arg" if name in self._secret_args:
                    found.add(("args", name))
                case "node" | "all":
                    self.read.add(name)
                    node = self._kinds.get(name)
                    output = str(get.path[1]) if len(get.path) > 1 else ""
                    if node is not None and output in node.secret_outputs:
                        found.add(("refs", name, output))
                case _:
                    pass
        return frozenset(found)

    def _untrusted_in(self, expr: Expr | Lambda) -> frozenset[Source]:
        match expr:
            case Get():
                return self._untrusted_get(expr)
            case Format(parts) | ListOf(parts):
                return frozenset().union(*map(self._untrusted_in, parts))
            case MapOf(entries):
                return frozenset().union(*(self._untrusted_in(part) for _, part in entries))
            case Choose(_, then, otherwise):
                return self._untrusted_in(then) | self._untrusted_in(otherwise)
            case Apply("+", args):
                return frozenset().union(*map(self._untrusted_in, args))
            case Pipe(subject, name, args):
                spec = self.specs.filters.get(name)
                if spec is not None and (spec.cleans or _NO_TEXT.search(spec.signature)):
                    return frozenset()
                return frozenset().union(*map(self._untrusted_in, (subject, *args)))
            case Lambda(body):
                return self._untrusted_in(body)
            case _:
                return frozenset()

    def _untrusted_get(self, get: Get) -> frozenset[Source]:
        name = str(get.path[0]) if get.path else ""
        output = str(get.path[1]) if len(get.path) > 1 else ""
        match get.root:
            case "value":
                return self._untrusted[name]
            case "arg" if name in self._open_args:
                return frozenset({("args", name)})
            case "run" if name in ("name", "description") and self._webhook:
                return frozenset({("run", name)})
            case "trigger":
                kind = self._triggers.get(name, "git")
                spec = self.specs.triggers.get(kind)
                outputs = () if spec is None else spec.outputs
                if any(o.untrusted and o.name == output for o in outputs):
                    return frozenset({("refs", name, output)})
            case "node" | "all":
                node = self._kinds.get(name)
                known = None if node is None else self.specs.nodes.get(node.kind)
                if known and any(o.untrusted and o.name == output for o in known.outputs):
                    return frozenset({("refs", name, output)})
            case _:
                pass
        return frozenset()


def _given(node: Node) -> Iterator[Expr]:
    """All that is given to a node, or to what undoes it."""
    yield from (node.inputs or {}).values()
    for variables in (node.program or {}).values():
        yield from (expr for _, expr in variables)
    yield from (expr for _, expr in (*node.contract.inputs, *node.contract.program))
