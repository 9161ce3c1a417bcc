"""What stands in a plan beside its nodes: arguments, secrets, triggers, bindings, loops, groups.

This module owns their form in the plan; it changes no graph.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from rflow.compiler import plan as plans
from rflow.compiler.absolute import absolute
from rflow.compiler.expr import Apply, Expr, Get, Literal
from rflow.compiler.inline import Context
from rflow.compiler.scope import Flow, Loop, Member, Program
from rflow.compiler.types import STRING, Optional, show_type
from rflow.dsl.ast import Span


def whens(context: Context, member: Member) -> tuple[tuple[Expr, plans.Place], ...]:
    """The conditions around a member and its own, the outermost first."""
    found: list[tuple[Expr, plans.Place]] = []
    at: Member | None = member
    where: Context | None = context
    while where is not None:
        while at is not None:
            if at.when is not None:
                expr, span = at.when
                found.append((absolute(expr, where), place(where.flow, span)))
            at = at.parent
        at, where = where.use, where.parent
    return tuple(reversed(found))


def group_of(context: Context, member: Member) -> str | None:
    """The group or `use` that a member stands in directly."""
    if member.parent is not None:
        return context.prefix + member.parent.name
    return context.prefix[:-1] if context.prefix else None


def values(context: Context) -> list[tuple[str, Expr]]:
    """The bindings of a context: its lets and, for a `use`, what it is given and gives."""
    flow, prefix = context.flow, context.prefix
    found: list[tuple[str, Expr]] = []
    if context.use is not None and context.parent is not None:
        for name, arg in flow.args.items():
            given = context.use.inputs.get(name)
            value = absolute(given, context.parent) if given is not None else arg.default
            found.append((f"{prefix}args.{name}", value or Literal(None)))
        for name, output in flow.outputs.items():
            value = absolute(output.expr, context) if output.expr is not None else Literal(None)
            found.append((f"{prefix}{name}", value))
        found.append((f"{prefix}ran", use_ran(context)))
    for name, let in flow.lets.items():
        if let.expr is not None:
            found.append((f"{prefix}let.{name}", absolute(let.expr, context)))
    return found


def use_ran(context: Context) -> Expr:
    """Whether a `use` ran: whether those of its nodes ran that cannot be skipped in it."""
    parts: list[Expr] = []
    for member in context.shape.last:
        if member.kind in ("node", "approve") and not member.may_miss and member.loop is None:
            parts.append(Get("ran", (context.prefix + member.name,)))
    if not parts:
        sure = [
            m
            for m in context.flow.all
            if m.kind in ("node", "approve") and not m.may_miss and not m.loops
        ]
        parts = [Get("ran", (context.prefix + member.name,)) for member in sure[:1]]
    if not parts:
        assert context.use is not None
        parts = [expr for expr, _ in whens(context.parent or context, context.use)]
    whole: Expr = parts[0] if parts else Literal(True)
    for part in parts[1:]:
        whole = Apply("and", (whole, part))
    return whole


def args(flow: Flow) -> list[plans.Arg]:
    """The arguments of a flow."""
    return [
        plans.Arg(
            name=name,
            type=show_type(arg.type or STRING),
            required=arg.default is None and not isinstance(arg.type, Optional),
            default=arg.default,
            secret=arg.secret,
            doc=arg.tree.doc or "",
            place=place(flow, arg.tree.span),
        )
        for name, arg in flow.args.items()
    ]


def secrets(context: Context) -> list[plans.Secret]:
    """The secrets of a context, by their names in the plan."""
    return [
        plans.Secret(
            context.prefix + name,
            secret.source.text,
            "".join(str(part) for part in secret.key.parts),
            place(context.flow, secret.span),
        )
        for name, secret in context.flow.secrets.items()
    ]


def triggers(flow: Flow) -> list[plans.Trigger]:
    """The triggers of a flow."""
    return [
        plans.Trigger(
            name,
            trigger.tree.kind.text,
            dict(trigger.inputs),
            trigger.tree.doc or "",
            place(flow, trigger.tree.span),
        )
        for name, trigger in flow.triggers.items()
    ]


def loops(context: Context) -> list[plans.Loop]:
    """The loops of a context."""
    found: list[plans.Loop] = []
    for member in context.flow.all:
        if member.loop is None:
            continue
        chain = context.loops_of(member)
        loop: Loop = member.loop
        found.append(
            plans.Loop(
                id=chain[-1][0],
                name=loop.tree.name.text,
                over=absolute(loop.over or Literal([]), context),
                at_most=loop.tree.at_most,
                parent=chain[-2][0] if len(chain) > 1 else None,
                place=place(context.flow, loop.tree.span),
            )
        )
    return found


def groups(context: Context) -> list[plans.Group]:
    """The groups and uses of a context."""
    found: list[plans.Group] = []
    for member in context.flow.all:
        if member.kind not in ("group", "use"):
            continue
        id_ = context.prefix + member.name
        found.append(
            plans.Group(
                id=id_,
                order="use" if member.kind == "use" else member.tree.order,  # type: ignore[union-attr]
                parent=group_of(context, member),
                section=member.section if context.use is None else context.section,
                loop=id_ if member.loop is not None else None,
                doc=member.tree.doc or "",
                place=place(context.flow, member.tree.span),
            )
        )
    return found


def stage(flow: Flow) -> plans.Stage | None:
    """The stage of a flow."""
    stage = flow.stage
    if stage is None:
        return None
    return plans.Stage(
        stage.pipeline,
        stage.tree.name.text,
        stage.protected,
        stage.open,
        stage.before,
        stage.rollback_by,
        stage.rollback_count,
    )


def concurrency(flow: Flow) -> plans.Concurrency:
    """What a flow says of runs side by side; with a stage they wait for one another."""
    if flow.concurrency is not None:
        return flow.concurrency.policy.text  # type: ignore[return-value]
    return "queue" if flow.stage is not None else "allow"


def sources(program: Program) -> tuple[plans.SourceFile, ...]:
    """All files of the program, the entry file first, by their paths from its folder."""
    files = program.files
    folder = PurePosixPath(files[0].source.name).parent
    return tuple(
        plans.SourceFile(_relative(PurePosixPath(file.source.name), folder), file.source.text)
        for file in files
    )


def place(flow: Flow, span: Span) -> plans.Place:
    """Where something stands."""
    return plans.Place(flow.file.index, span[0], span[1])


def _relative(path: PurePosixPath, folder: PurePosixPath) -> str:
    """The path from the folder, with `..` where it leads out of it."""
    one, other = path.parts, folder.parts
    shared = 0
    while shared < min(len(one) - 1, len(other)) and one[shared] == other[shared]:
        shared += 1
    return str(PurePosixPath(*[".."] * (len(other) - shared), *one[shared:]))
