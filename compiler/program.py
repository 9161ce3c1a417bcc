"""A file and all it imports: read, checked, and planned.

This module owns the order of compiling: parse, declare, check each flow after those it uses,
prove what a stage demands. It reads no file by itself (a `Loader` does) and is a pure function of
the texts and the specs of the plugins.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace
from rflow.compiler.checks import use_codes
from rflow.compiler.checks.declarations import check_people, check_stage, plain
from rflow.compiler.checks.edges import (
    SIZE_MAX,
    Shape,
    check_after,
    check_circles,
    pass_loops,
    shape_of,
)
from rflow.compiler.checks.first_stage import check_first_stage
from rflow.compiler.checks.flows import FlowCheck
from rflow.compiler.checks.report import Report, TooMany
from rflow.compiler.gates import Coverage, check_contracts, check_gates, coverage
from rflow.compiler.inline import Graph, inline
from rflow.compiler.names import declare_file
from rflow.compiler.order import circles, in_order
from rflow.compiler.policies import Delays, PolicyRefused
from rflow.compiler.scope import File, Flow, Member, Program
from rflow.dsl import ast
from rflow.dsl.diagnostics import Code, Diagnostic, Source, sort
from rflow.dsl.limits import RF137
from rflow.plugins.types import Specs

if TYPE_CHECKING:
    from rflow.compiler.expr import Filters
    from rflow.compiler.plan import Plan
    from rflow.compiler.testing import Test
    from rflow.compiler.trigger_inputs import Ask

NOT_LOADED = Code(
    "RF220",
    "an import that cannot be read",
    "`import` takes the path of a file, from the folder of the file that imports it. It must "
    "exist, be text, and lie within the project.",
)

Loader = Callable[[Source, str], Source]
"""The importing file and the path as it is written → the imported file; raises LoadError."""


class LoadError(Exception):
    """A file cannot be imported: why, and what to do."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class Checked(Struct):
    """What checking found. `flows` are those of the entry file."""

    diagnostics: list[Diagnostic]
    flows: tuple[str, ...]
    program: Program
    specs: Specs
    shapes: dict[int, Shape]
    graphs: dict[str, Graph] = field(default_factory=dict)
    tests: tuple[Test, ...] = ()
    """Those of the entry file, in its order; one with mistakes is not among them."""

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not any(d.code.severity == "error" for d in self.diagnostics)

    def graph(self, flow: str) -> Graph:
        """The whole graph of a flow."""
        if not self.ok:
            raise ValueError("a program with errors has no plan")
        known = self.graphs.get(flow)
        if known is None:
            known = self.graphs[flow] = inline(self.program.flows[flow], self.shapes)
        return known

    def plan(self, flow: str, delays: Delays) -> Plan:
        """The plan of a flow; ValueError if there are errors, KeyError for an unknown flow.

        Raises PolicyRefused where a retry policy does not take its inputs.
        """
        from rflow.compiler.planner import Planner

        with _no_garbage():
            return Planner(self.program, self.graph(flow), self.specs, delays).plan()

    def ask_triggers(self, ask: Ask, filters: Filters) -> None:
        """Let the kinds of the triggers say what they do not take; only where there is no error."""
        if self.ok:
            from rflow.compiler.trigger_inputs import refused

            flows = [self.program.flows[name] for name in self.flows]
            found = [one for flow in flows for one in refused(flow, ask, filters)]
            self.diagnostics = sort([*self.diagnostics, *found])

    def coverage(self, flow: str) -> Coverage:
        """What a flow says of rolling back."""
        return coverage(self.graph(flow))


def check(entry: Source, specs: Specs, load: Loader) -> Checked:
    """Check a file and all it imports."""
    with _no_garbage():
        return _check(entry, specs, load)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Nothing that compiling makes becomes garbage; looking for it would take most of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _check(entry: Source, specs: Specs, load: Loader) -> Checked:
    checked = Checked([], (), Program(), specs, {})
    found, program = checked.diagnostics, checked.program
    try:
        _check_all(entry, checked, load)
    except TooMany:
        found.append(
            RF137.at(
                replace(found[-1].primary, text=""),
                "there are too many mistakes: more were not looked for",
                help="mend some of them and check again",
            )
        )
    checked.diagnostics = sort(found)
    if program.files:
        first = program.files[0]
        checked.flows = tuple(n for n, flow in program.flows.items() if flow.file is first)
    return checked


def _check_all(entry: Source, checked: Checked, load: Loader) -> None:
    program, specs, shapes = checked.program, checked.specs, checked.shapes
    _read(entry, specs, load, program, checked.diagnostics)
    for people in program.people.values():
        check_people(people)
    for pipeline in program.pipelines.values():
        for stage in pipeline.stages.values():
            check_stage(stage, program)
    for flow in _users_last(program):
        FlowCheck(flow, program, specs).check()
        check_after(flow)
        shape = shapes[id(flow)] = shape_of(flow)
        check_circles(flow, shape)
        pass_loops(shape)
        _measure(flow)
    told, too_early = set[Member](), set[Member]()
    for flow in program.all_flows:
        check_first_stage(flow, too_early)
        if flow.stage is not None and flow.stage.protected:
            _prove(flow, checked, told)
    if program.tests:
        from rflow.compiler.testing_check import check_tests

        tests = check_tests(program, program.tests, specs)
        checked.tests = tuple(t for t in tests if t.place.source == 0)


# -- reading -------------------------------------------------------------------------------------


def _read(
    entry: Source, specs: Specs, load: Loader, program: Program, found: list[Diagnostic]
) -> None:
    """Parse the entry file and its imports, each once, and declare what they hold."""
    from rflow.dsl.parse import parse

    todo = deque([entry])
    seen = {entry.name}
    broken: list[str] = []
    modules: list[tuple[File, ast.Module]] = []
    while todo:
        source = todo.popleft()
        module, mistakes = parse(source)
        found += mistakes
        file = File(len(program.files), source, Report(source, found))
        program.files.append(file)
        errors = [mistake for mistake in mistakes if mistake.code.severity == "error"]
        if errors:
            file.report.broken = tuple(mistake.primary.span for mistake in errors)
            broken.append(source.text)
        if module is None:
            continue
        modules.append((file, module))
        for imported in _imports(file, module, load):
            if imported.name not in seen:
                seen.add(imported.name)
                todo.append(imported)
    for file in program.files:
        file.report.texts = tuple(broken)
    for file, module in modules:
        declare_file(program, file, module, specs)


def _imports(file: File, module: ast.Module, load: Loader) -> list[Source]:
    loaded: list[Source] = []
    for node in module.declarations:
        if not isinstance(node, ast.Import):
            continue
        path = plain(node.path)
        if path is None:
            file.report.error(
                NOT_LOADED, node.path.span, "the path of an import is a plain string, not empty"
            )
            continue
        try:
            loaded.append(load(file.source, path))
        except LoadError as error:
            file.report.error(NOT_LOADED, node.path.span, error.message, help=error.help)
            # What it would have declared is not known; no name is called unknown for it.
            file.report.missing_import()
    return loaded


# -- flows ---------------------------------------------------------------------------------------


def _users_last(program: Program) -> list[Flow]:
    """All flows, each after those it uses; reports flows that use themselves."""
    flows = program.all_flows
    numbers = {id(flow): number for number, flow in enumerate(flows)}
    uses: list[dict[int, ast.Use]] = []
    for flow in flows:
        found: dict[int, ast.Use] = {}
        for member in flow.all:
            if isinstance(member.tree, ast.Use):
                used = program.flows.get(member.tree.flow.text)
                if used is not None:
                    found.setdefault(numbers[id(used)], member.tree)
        uses.append(found)
    before = [list(found) for found in uses]
    ordered = in_order(before)
    if len(ordered) == len(flows):
        return [flows[number] for number in ordered]
    for circle in circles(before):
        _uses_itself(flows, uses, circle)
    rest = sorted(set(range(len(flows))) - set(ordered))
    for number in rest:
        flows[number].broken = True
    return [flows[number] for number in (*ordered, *rest)]


def _uses_itself(flows: list[Flow], uses: list[dict[int, ast.Use]], circle: list[int]) -> None:
    # circle: the second is waited for by … see `order.circles`; read from its end it is "uses".
    way = [circle[0], *reversed(circle[1:]), circle[0]]
    flow = flows[way[0]]
    names = " → ".join(f"`{flows[number].name}`" for number in way)
    labels = tuple(
        flows[one].file.report.label(uses[one][two].flow.span, f"`{flows[one].name}` uses it here")
        for one, two in pairwise(way[1:])
    )
    flow.file.report.error(
        use_codes.USES_ITSELF,
        uses[way[0]][way[1]].flow.span,
        f"the flow `{flow.name}` uses itself"
        if len(circle) == 1
        else f"flows use one another in a circle: {names}",
        labels=labels,
        help="what both need can be a flow of its own",
    )


def _measure(flow: Flow) -> None:
    """How many nodes a flow has, with all that it uses; reports one that is too large."""
    flow.size = len(flow.all)
    for member in flow.all:
        if member.used is None:
            continue
        flow.size += member.used.size
        flow.broken = flow.broken or member.used.broken
        if flow.size > SIZE_MAX and member.used.size <= SIZE_MAX:
            flow.broken = True
            assert isinstance(member.tree, ast.Use)
            flow.file.report.error(
                use_codes.TOO_LARGE,
                member.tree.flow.span,
                f"with all that it uses, `{flow.name}` has more than {SIZE_MAX} nodes",
                help="start a part of it as a run of its own with `flow.run`",
            )
            return


def _prove(flow: Flow, checked: Checked, told: set[Member]) -> None:
    """Prove what a protected stage demands, unless the graph is not known."""
    if flow.broken:
        return
    graph = inline(flow, checked.shapes)
    checked.graphs[flow.name] = graph
    check_gates(flow, graph)
    check_contracts(flow, graph, told)


__all__ = ["NOT_LOADED", "Checked", "Delays", "LoadError", "Loader", "PolicyRefused", "check"]
