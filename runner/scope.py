"""What the expressions of a run can see: its arguments, triggers, outputs, loops and itself.

A scope never holds a secret's value: where an expression reads one it gets `MASK`, and the scope
notes it (`Seen`). What was masked is worked out again, with the values, only where the attempt is
carried out (`LateScope`). So what is journalled or shown cannot hold a secret, whatever filters
were applied to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field
from rflow.compiler.expr import MASK, EvalError, Expr, Get, Root, dig, evaluate
from rflow.compiler.plan import Json, Plan
from rflow.runner.expand import Instance, Turn, turn_key
from rflow.runner.state import RunState

__all__ = [
    "MASK",
    "Filters",
    "LateScope",
    "RunScope",
    "Seen",
    "Worked",
    "dig",
    "is_secret",
    "work_out",
]

Filters = Mapping[str, Callable[..., Json]]


def is_secret(plan: Plan, get: Get) -> bool:
    """Whether a `Get` reads a secret: one of the plan, a secret argument, a secret output."""
    match get.root:
        case "secret":
            return True
        case "arg":
            return any(arg.secret and arg.name == get.path[0] for arg in plan.args)
        case "node" | "all":
            return len(get.path) > 1 and get.path[1] in _secret_outputs(plan, str(get.path[0]))
        case _:
            return False


def _secret_outputs(plan: Plan, node: str) -> tuple[str, ...]:
    return next((n.secret_outputs for n in plan.nodes if n.id == node), ())


LETS_MAX = 100_000
"""So many lets may be read for one value: one that reads another twice, which reads a third one
twice, soon stands for more than any machine can hold."""


class Seen(Struct):
    """What an evaluation read: `values` of what is not secret, and whether anything was."""

    values: dict[tuple[Root, tuple[str | int, ...]], Json] = field(default_factory=dict)
    secret: bool = False


class PlanScope:
    """What the scopes over a plan share: its lets."""

    def __init__(self, plan: Plan, filters: Filters) -> None:
        self.plan, self.filters = plan, filters
        self._lets = 0

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        """The value at a path, None if it is missing."""
        raise NotImplementedError

    def value(self, expr: Expr) -> Json:
        """The value of an expression; EvalError if it has none."""
        self._lets = 0
        return evaluate(expr, self, self.filters)

    def let(self, path: tuple[str | int, ...]) -> Json:
        """The value of a let, read once more for the value that is worked out. EvalError where
        lets that read lets never come to an end."""
        self._lets += 1
        if self._lets > LETS_MAX:
            raise EvalError(f"lets are read more than {LETS_MAX:,} times for one value", "depth")
        return dig(evaluate(self.plan.values[str(path[0])], self, self.filters), path[1:])


class RunScope(PlanScope):
    """The scope of one instance in a state of its run. `done` are outputs, in an undo."""

    def __init__(
        self,
        state: RunState,
        filters: Filters,
        instance: Instance | None = None,
        done: Mapping[str, Json] | None = None,
    ) -> None:
        super().__init__(state.graph.plan, filters)
        self.state = state
        self.turns: tuple[Turn, ...] = instance.turns if instance is not None else ()
        self.secret_done = instance.node.secret_outputs if instance is not None else ()
        self.done = done
        self.seen = Seen()

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        """The value, None if it is missing; MASK for a secret."""
        if root == "value":
            return self.let(path)
        if self._is_secret(root, path) or (root == "done" and path[0] in self.secret_done):
            self.seen.secret = True
            return MASK
        value = self._read(root, path)
        self.seen.values[root, path] = value
        return value

    def _is_secret(self, root: Root, path: tuple[str | int, ...]) -> bool:
        """As `is_secret`, without a walk through all nodes for each reference to one."""
        if root in ("node", "all"):
            graph = self.state.graph
            if numbers := graph.by_node.get(str(path[0])):
                return len(path) > 1 and path[1] in graph.instances[numbers[0]].node.secret_outputs
        return is_secret(self.plan, Get(root, path))

    def _read(self, root: Root, path: tuple[str | int, ...]) -> Json:
        created = self.state.created
        match root:
            case "arg":
                return dig(created.args, path)
            case "trigger":
                return dig(created.triggers.get(str(path[0])), path[1:])
            case "node":
                number = self._instance(str(path[0]))
                return None if number is None else self._output(number, path[1:])
            case "all":
                return self._all(str(path[0]), path[1:])
            case "ran":
                number = self._instance(str(path[0]))
                return number is not None and self.state.nodes[number].status == "success"
            case "run":
                return dig(self._run(), path)
            case "flow":
                return {"name": self.plan.flow}.get(str(path[0]))
            case "stage":
                stage = self.plan.stage
                return None if stage is None else getattr(stage, str(path[0]), None)
            case "each":
                turn = next((value for loop, value in self.turns if loop == path[0]), None)
                return dig(turn, path[1:])
            case "done":
                return dig(dict(self.done or {}), path)
            case _:
                return None

    def _run(self) -> Json:
        state = self.state
        return {
            "id": state.created.run,
            "name": state.name,
            "description": state.description,
            "started": state.started_at or state.created_at,
            "status": state.outcome,
            "by": state.created.by,
            "trigger": state.created.trigger.get("kind"),
        }

    def _instance(self, node: str) -> int | None:
        """The instance of a node in the same turns as this one."""
        numbers = self.state.graph.by_node.get(node, [])
        if not self.turns:
            return numbers[0] if numbers else None
        for number in numbers:
            turns = self.state.graph.instances[number].turns
            if turns == self.turns[: len(turns)]:
                return number
        return None

    def _all(self, node: str, path: tuple[str | int, ...]) -> Json:
        found: list[Json] = []
        for number in self.state.graph.by_node.get(node, []):
            turns = self.state.graph.instances[number].turns
            loops = [loop for loop, _ in turns]
            shared = [turn for turn in self.turns if turn[0] in loops]
            same = turn_key(turns[: len(shared)]) == turn_key(tuple(shared))
            if same and self.state.nodes[number].status == "success":
                found.append(self._output(number, path))
        return found

    def _output(self, number: int, path: tuple[str | int, ...]) -> Json:
        return dig(self.state.nodes[number].outputs, path)


class LateScope(PlanScope):
    """The scope in which what was masked is worked out: values that were seen, and secrets.

    `reveal` is given the root and path of a secret and returns its value.
    """

    def __init__(
        self,
        plan: Plan,
        filters: Filters,
        values: Mapping[tuple[Root, tuple[str | int, ...]], Json],
        reveal: Callable[[Root, tuple[str | int, ...]], Json],
    ) -> None:
        super().__init__(plan, filters)
        self.values, self.reveal = values, reveal

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        """The value, secret or not."""
        if root == "value":
            return self.let(path)
        if (root, path) in self.values:
            return self.values[root, path]
        return self.reveal(root, path)


class Worked(Struct, frozen=True):
    """Inputs worked out: `shown` with secrets masked; `late` are the names of those that read a
    secret, `values` what those read besides."""

    shown: dict[str, Json]
    late: dict[str, Expr]
    values: dict[tuple[Root, tuple[str | int, ...]], Json]


def work_out(inputs: Mapping[str, Expr], scope: RunScope) -> Worked:
    """Evaluate a node's inputs. Raises EvalError of the evaluator."""
    shown: dict[str, Json] = {}
    late: dict[str, Expr] = {}
    values: dict[tuple[Root, tuple[str | int, ...]], Json] = {}
    for name, expr in inputs.items():
        scope.seen = Seen()
        shown[name] = scope.value(expr)
        if scope.seen.secret:
            late[name] = expr
            values.update(scope.seen.values)
    return Worked(shown, late, values)
