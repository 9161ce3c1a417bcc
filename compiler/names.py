"""Who is called what: reads the declarations of files and flows into the program's tables.

This module owns duplicate, clashing and reserved names and fills the tables of `scope`; it looks
into no expression and never decides what a name that is used refers to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rflow.compiler.checks.report import Report
from rflow.compiler.name_codes import (
    CLASH,
    DECLARED_TWICE,
    RESERVED,
    UNKNOWN_KIND,
    UNKNOWN_TRIGGER,
    WEBHOOK_ARGUMENT,
)
from rflow.compiler.scope import (
    UNTRUSTED,
    Arg,
    File,
    Flow,
    Let,
    Loop,
    Member,
    Output,
    People,
    Pipeline,
    Program,
    Section,
    Stage,
    Trigger,
    Value,
)
from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import Label, closest
from rflow.plugins.types import Optional, OutputSpec, Specs

_RESERVED_MEMBERS = ("trigger", "args", "let")


def declare_file(program: Program, file: File, module: ast.Module, specs: Specs) -> None:
    """Put the declarations of a file into the program's tables."""
    for declaration in module.declarations:
        match declaration:
            case ast.Flow():
                flow = Flow(declaration, file)
                flow.broken = file.report.damaged(declaration.span)
                program.all_flows.append(flow)
                first = program.flows.setdefault(flow.name, flow)
                if first is not flow:
                    _declared_twice(file, declaration.name, "flow", first.file, first.tree.name)
                declare_flow(flow, specs)
            case ast.Pipeline():
                pipeline = Pipeline(declaration, file)
                other = program.pipelines.setdefault(declaration.name.text, pipeline)
                if other is not pipeline:
                    _declared_twice(file, declaration.name, "pipeline", other.file, other.tree.name)
                _declare_stages(pipeline)
            case ast.People():
                people = People(declaration, file)
                known = program.people.setdefault(declaration.name.text, people)
                if known is not people:
                    _declared_twice(file, declaration.name, "group", known.file, known.tree.name)
            case ast.Test():
                program.tests.append((file, declaration))
            case ast.Import():
                pass


def _declared_twice(
    file: File, name: ast.Name, word: str, first_file: File, first: ast.Name
) -> None:
    label = Label(first_file.source, first.span, "first declared here")
    if first_file is file:
        file.report.error(
            DECLARED_TWICE,
            name.span,
            f"the {word} `{name.text}` is declared twice",
            text="declared again here",
            labels=(label,),
            help="give one of them another name",
        )
        return
    file.report.error(
        CLASH,
        name.span,
        f"the {word} `{name.text}` is declared in `{first_file.source.name}` too",
        text="declared again here",
        labels=(label,),
        help="a file and its imports share one namespace; give one of them another name",
    )


def _declare_stages(pipeline: Pipeline) -> None:
    before: str | None = None
    for node in pipeline.tree.stages:
        stage = Stage(pipeline.tree.name.text, node, pipeline.file, before)
        before = node.name.text
        first = pipeline.stages.setdefault(node.name.text, stage)
        if first is not stage:
            _twice(pipeline.file.report, node.name, "stage", first.tree.name)


def _twice(report: Report, name: ast.Name, word: str, first: ast.Name) -> None:
    report.error(
        DECLARED_TWICE,
        name.span,
        f"the {word} `{name.text}` is declared twice",
        text="declared again here",
        labels=(report.label(first.span, "first declared here"),),
        help="give one of them another name",
    )


# -- flows -------------------------------------------------------------------------------------


def declare_flow(flow: Flow, specs: Specs) -> None:
    """Put what a flow declares into its tables."""
    report = flow.file.report
    for item in flow.tree.items:
        match item:
            case ast.Node() | ast.Approve() | ast.GroupBlock() | ast.Use():
                _declare_members(flow, specs, (item,), "main")
            case ast.Arg():
                arg = Arg(item, len(flow.args), None, False)
                first = flow.args.setdefault(item.name.text, arg)
                if first is not arg:
                    _twice(report, item.name, "argument", first.tree.name)
            case ast.Secret():
                known = flow.secrets.setdefault(item.name.text, item)
                if known is not item:
                    _twice(report, item.name, "secret", known.name)
            case ast.Let():
                let = Let(item)
                other = flow.lets.setdefault(item.name.text, let)
                if other is not let:
                    _twice(report, item.name, "let", other.tree.name)
            case ast.Trigger():
                _declare_trigger(flow, specs, item)
            case ast.Output():
                _declare_output(flow, item)
            case ast.OnFailure(members=members):
                flow.rollback_on_failure = flow.rollback_on_failure or item.rollback
                if _first_section(flow, "failure", item.span):
                    _declare_members(flow, specs, members, "failure")
            case ast.Finally(members=members):
                if _first_section(flow, "finally", item.span):
                    _declare_members(flow, specs, members, "finally")
            case ast.Concurrency() | ast.Retry() | ast.Timeout():
                pass
    _check_webhook(flow)


def _first_section(flow: Flow, section: Section, span: Span) -> bool:
    first = flow.sections.setdefault(section, span)
    if first is span:
        return True
    word = "on failure" if section == "failure" else "finally"
    report = flow.file.report
    report.error(
        DECLARED_TWICE,
        (span[0], span[0] + len(word)),
        f"a flow has one `{word}`",
        labels=(report.label((first[0], first[0] + len(word)), "the first one is here"),),
        help="put all of it into one block",
    )
    return False


def _declare_output(flow: Flow, item: ast.Output) -> None:
    output = Output(item)
    first = flow.outputs.setdefault(item.name.text, output)
    if first is not output:
        _twice(flow.file.report, item.name, "output", first.tree.name)
    if item.name.text == "ran":
        _reserved(flow.file.report, item.name, "`$<refs.NAME.ran>` says whether a node ran")


def _declare_trigger(flow: Flow, specs: Specs, item: ast.Trigger) -> None:
    spec = specs.triggers.get(item.kind.text)
    fields = None
    if spec is None:
        flow.file.report.error(
            UNKNOWN_TRIGGER,
            item.kind.span,
            f"there is no kind of trigger `{item.kind.text}`",
            help=None if closest(item.kind.text, list(specs.triggers)) else "see `rflow plugins`",
            suggestion=closest(item.kind.text, list(specs.triggers)),
        )
    else:
        fields = spec_outputs(spec.outputs)
        if spec.kind != "git":  # one that did not fire has no values; a git trigger always has
            fields = {
                name: Value(Optional(v.type) if v.type else None, v.labels)
                for name, v in fields.items()
            }
    trigger = Trigger(item, fields)
    if item.name.text == "trigger":
        _reserved(flow.file.report, item.name, "`$<refs.trigger.…>` is the one that fired")
    first = _known(flow, item.name.text)
    if first is not None:
        _twice(flow.file.report, item.name, "name", first)
        return
    flow.triggers[item.name.text] = trigger
    if item.kind.text == "git" and flow.git_trigger is None:
        flow.git_trigger = item.name.text
    if item.kind.text == "webhook" and flow.webhook is None:
        flow.webhook = trigger


def _known(flow: Flow, name: str) -> ast.Name | None:
    if name in flow.members:
        return flow.members[name].tree.name
    if name in flow.triggers:
        return flow.triggers[name].tree.name
    return None


def _reserved(report: Report, name: ast.Name, why: str) -> None:
    report.error(RESERVED, name.span, f"`{name.text}` cannot be a name here: {why}")


def _check_webhook(flow: Flow) -> None:
    if flow.webhook is None:
        return
    for name in ("name", "description"):
        if name in flow.args:
            report = flow.file.report
            report.error(
                WEBHOOK_ARGUMENT,
                flow.args[name].tree.name.span,
                f"a webhook cannot give the argument `{name}`: it labels the run",
                labels=(report.label(flow.webhook.tree.name.span, "this trigger is a webhook"),),
                help="give the argument another name",
            )


def spec_outputs(outputs: Iterable[OutputSpec]) -> dict[str, Value]:
    """What a kind puts out, by name."""
    return {
        output.name: Value(
            output.type,
            (1 if output.secret else 0) | (UNTRUSTED if output.untrusted else 0),
        )
        for output in outputs
    }


_KINDS: dict[type, Literal["node", "approve", "group", "use"]] = {
    ast.Node: "node",
    ast.Approve: "approve",
    ast.GroupBlock: "group",
    ast.Use: "use",
}


def _declare_members(
    flow: Flow, specs: Specs, items: tuple[ast.Member, ...], section: Section
) -> None:
    """Declare members, those of groups included, in the order of the text."""
    cache: dict[str, dict[str, Value]] = flow.file.kind_outputs
    stack: list[tuple[ast.Member, Member | None]] = [(item, None) for item in reversed(items)]
    while stack:
        item, parent = stack.pop()
        member = Member(len(flow.all), item, _KINDS[item.__class__], section, parent)
        flow.all.append(member)
        if parent is not None:
            parent.children.append(member)
        name = member.name
        if name in flow.members or name in flow.triggers:
            first = _known(flow, name)
            assert first is not None
            _twice(flow.file.report, item.name, "name", first)
        else:
            flow.members[name] = member
        if name in _RESERVED_MEMBERS:
            _reserved(flow.file.report, item.name, "it stands for something else in a path")
        if item.__class__ is ast.Node:
            spec = specs.nodes.get(item.kind.text)
            if spec is None:
                _unknown_kind(flow, specs, item)
            else:
                member.spec = spec
                outputs = cache.get(spec.kind)
                if outputs is None:
                    outputs = cache[spec.kind] = spec_outputs(spec.outputs)
                member.outputs = outputs
        elif item.__class__ is ast.Approve:
            member.outputs = {}
        _surroundings(member, item)
        if item.__class__ is ast.GroupBlock:
            stack.extend((child, member) for child in reversed(item.members))


def _unknown_kind(flow: Flow, specs: Specs, item: ast.Node) -> None:
    meant = closest(item.kind.text, list(specs.nodes))
    flow.file.report.error(
        UNKNOWN_KIND,
        item.kind.span,
        f"there is no kind `{item.kind.text}`",
        help=None if meant else "`rflow plugins` lists the kinds that are installed",
        suggestion=meant,
    )


def _surroundings(member: Member, item: ast.Member) -> None:
    """The loops around a member and the conditions under which it runs."""
    conditions: list[ast.Expr] = []
    uncertain = False
    for clause in item.clauses:
        cls = clause.__class__
        if cls is ast.Each and member.loop is None:
            member.loop = Loop(member, clause)  # type: ignore[arg-type]
        elif cls is ast.When and member.own_when is None:
            member.own_when = clause  # type: ignore[assignment]
            conditions.extend(conjuncts(clause.condition))  # type: ignore[union-attr]
        elif cls is ast.ContinueOnFailure:
            uncertain = True
    parent = member.parent
    if parent is not None:
        member.loops = parent.loops
        member.conditions = parent.conditions
    if member.loop is not None:
        member.loops = (*member.loops, member.loop)
    if conditions:
        member.conditions = (*member.conditions, *conditions)
    member.may_miss = uncertain or bool(member.conditions)


def conjuncts(condition: ast.Expr) -> list[ast.Expr]:
    """The parts that must all hold: `a and b` gives `a` and `b`."""
    found: list[ast.Expr] = []
    stack = [condition]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Binary) and part.op == "and":
            stack.extend((part.right, part.left))
        else:
            found.append(part)
    return found
