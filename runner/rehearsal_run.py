"""The run of a rehearsal, before it is played: arguments, triggers, loops, what nodes put out.

This module owns what a test does not say: triggers bring stand-ins beside what is given. It asks
neither git nor a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field
from rflow.compiler.expr import EvalError, Expr
from rflow.compiler.plan import Json, Node, Plan
from rflow.compiler.testing import Aim, Test
from rflow.plugins.types import Specs
from rflow.runner import events as ev
from rflow.runner.expand import LoopError, RunGraph, Turn, elements, expand
from rflow.runner.prepare import CreationScope
from rflow.runner.rehearsal_values import stand_in
from rflow.runner.rehearsal_world import aims_at

RUN = "rehearsal"


class Unplayable(Exception):
    """The test cannot be played as it is: what is wrong with it, for its author."""


class Theatre(Struct):
    """What rehearsals of one flow share: the plan, the kinds, and graphs that are expanded."""

    plan: Plan
    specs: Specs
    filters: Mapping[str, Callable[..., Json]]
    graphs: dict[str, RunGraph] = field(default_factory=dict)

    def intends(self, node: Node) -> bool:
        """Whether the kind says what it is about to change; `sh` cannot."""
        spec = self.specs.nodes.get(node.kind)
        return spec is not None and spec.effect is not None and not spec.declares_outputs


class Beginnings:
    """Makes the run of one test."""

    def __init__(self, shared: Theatre, test: Test) -> None:
        self.shared, self.test = shared, test
        self.at = moment(test.at)

    def _value(self, expr: Expr) -> Json:
        try:
            return CreationScope(self.shared.plan, self.shared.filters).value(expr)
        except EvalError as error:
            raise Unplayable(f"a value of the test cannot be worked out: {error}") from None

    def created(self) -> ev.RunCreated:
        plan, test, filters = self.shared.plan, self.test, self.shared.filters
        scope = CreationScope(plan, filters)
        for trigger in plan.triggers:
            scope.triggers[trigger.name] = self._trigger(trigger.name, scope)
        fired = next((t for t in plan.triggers if t.name in test.triggers), None)
        git = [t.name for t in plan.triggers if t.kind == "git"]
        main = fired.name if fired is not None and fired.kind == "git" else (git or [""])[0]
        if main:
            scope.triggers["trigger"] = scope.triggers[main]
        for arg in plan.args:
            given = test.args.get(arg.name)
            expr = given if given is not None else arg.default
            try:
                scope.args[arg.name] = None if expr is None else scope.value(expr)
            except EvalError as error:
                raise Unplayable(f"the argument `{arg.name}`: {error}") from None
        return ev.RunCreated(
            run=RUN,
            plan="sha256:rehearsal",
            flow=plan.flow,
            stage=None if plan.stage is None else f"{plan.stage.pipeline}.{plan.stage.name}",
            kind="release",
            name=RUN,
            description="",
            by=test.by,
            trigger={"kind": "manual"}
            if fired is None
            else {"kind": fired.kind, "name": fired.name},
            triggers=scope.triggers,
            args={a.name: scope.args[a.name] for a in plan.args if not a.secret},
            sealed={a.name: "sealed" for a in plan.args if a.secret},
            overrides={},
            loops=self._loops(scope),
            seed=1,
        )

    def _trigger(self, name: str, scope: CreationScope) -> dict[str, Json]:
        """What a trigger brings: what the test gives, what follows, and stand-ins."""
        trigger = next(t for t in self.shared.plan.triggers if t.name == name)
        spec = self.shared.specs.triggers.get(trigger.kind)
        values: dict[str, Json] = {
            output.name: stand_in(output.type, f"{name}.{output.name}")
            for output in (spec.outputs if spec is not None else ())
        }
        inputs = {n: scope.value(e) for n, e in trigger.inputs.items()}
        if trigger.kind == "git":
            values["repo_url"] = inputs.get("repo")
            branches = inputs.get("branches")
            literal = (
                [b for b in branches if not set(str(b)) & set("*?[!")]
                if isinstance(branches, list)
                else []
            )
            values["branch"] = literal[0] if literal else values.get("branch")
        if trigger.kind == "cron":
            values["time"] = datetime.fromtimestamp(self.at, UTC).isoformat()
        values.update({n: self._value(e) for n, e in self.test.triggers.get(name, {}).items()})
        return values

    def _loops(self, scope: CreationScope) -> dict[str, dict[str, list[Json]]]:
        def value(expr: Expr, turns: tuple[Turn, ...]) -> Json:
            scope.turns = turns
            return scope.value(expr)

        try:
            return elements(self.shared.plan, value)
        except (LoopError, EvalError) as error:
            raise Unplayable(str(error)) from None

    def graph(self, created: ev.RunCreated) -> RunGraph:
        key = repr(created.loops)
        known = self.shared.graphs.get(key)
        if known is None:
            known = self.shared.graphs[key] = expand(self.shared.plan, created.loops)
        return known

    def check_turns(self, graph: RunGraph) -> None:
        """Every turn that the test names must be there."""
        test = self.test
        aims: list[Aim] = [m.aim for m in test.mocks] + [a.aim for a in test.answers]
        aims += [f.aim for f in test.faults] + [c.at for c in test.cancels if c.at is not None]
        for expected in test.expected:
            found = (getattr(expected, name, None) for name in ("aim", "first", "then"))
            aims += [aim for aim in found if isinstance(aim, Aim)]
        for aim in aims:
            if aim.turn is not None and not self._instances(aim, graph):
                there = [i.id for i in graph.instances if i.node.id in aim.nodes]
                listed = ", ".join(f"`{id}`" for id in there[:8]) or "none"
                raise Unplayable(f"there is no `{aim.turn}` in this run; there are: {listed}")

    def _instances(self, aim: Aim, graph: RunGraph) -> list[str]:
        """The ids of the instances that a clause is about."""
        return [
            instance.id
            for node in aim.nodes
            for number in graph.by_node.get(node, ())
            if aims_at(aim, node, (instance := graph.instances[number]).id)
        ]

    def outputs(self) -> list[tuple[Aim, dict[str, Json], float | None]]:
        mocks = sorted(self.test.mocks, key=lambda mock: mock.aim.turn is not None)
        return [
            (mock.aim, {n: self._value(e) for n, e in mock.values.items()}, mock.takes_s)
            for mock in mocks
        ]


def moment(text: str) -> float:
    """Seconds since 1970 of `2030-03-15 17:30 Europe/Berlin`; without a zone it is UTC."""
    words = text.replace("T", " ").split()
    zone: Any = UTC
    if len(words) > 2:
        from zoneinfo import ZoneInfo

        zone = ZoneInfo(words[2])
    return datetime.fromisoformat(f"{words[0]} {words[1]}").replace(tzinfo=zone).timestamp()
