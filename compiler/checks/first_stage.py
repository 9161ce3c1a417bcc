"""Kinds that take what is on the stage before, in flows for a stage that comes first.

A flow without a stage is checked where it is used: its stage is that of its user.
"""

from __future__ import annotations

from collections.abc import Iterator

from rflow.compiler.scope import Flow, Member, Stage
from rflow.dsl.diagnostics import Code, Label

NO_STAGE_BEFORE = Code(
    "RF516",
    "nothing comes before the flow's stage",
    "Some kinds, `promote` among them, take what is deployed on the stage before the flow's in "
    "its pipeline. A pipeline's stages come in the order in which they are declared; the first "
    "has none before it, so that such a node could only fail.",
    bad="""rflow 1

pipeline shop {
  stage staging
  stage production
}

flow release for shop.staging {
  node from_before: promote { service = "web" }
}
""",
    good="""rflow 1

pipeline shop {
  stage staging
  stage production
}

flow release for shop.production {
  node from_before: promote { service = "web" }
}
""",
)


def check_first_stage(flow: Flow, told: set[Member]) -> None:
    """Report nodes of a flow, and of those it uses, that need a stage before the flow's; `told`
    are those that were reported already."""
    stage = flow.stage
    if stage is None or stage.before is not None:
        return
    for owner, member in _members(flow):
        if member.spec is None or not member.spec.stage_before or member in told:
            continue
        told.add(member)
        owner.file.report.error(
            NO_STAGE_BEFORE,
            member.tree.name.span,
            f"`{member.name}` takes what is on the stage before `{_name(stage)}`, which is the "
            f"first of `{stage.pipeline}`",
            labels=(Label(stage.file.source, stage.tree.name.span, "nothing comes before it"),),
            help="build what is released here, or declare the stage that it comes from before "
            f"`{_name(stage)}`",
        )


def _name(stage: Stage) -> str:
    return stage.tree.name.text


def _members(flow: Flow) -> Iterator[tuple[Flow, Member]]:
    """The members of a flow and of all that it uses, each once."""
    seen = {id(flow)}
    todo = [flow]
    while todo:
        at = todo.pop()
        for member in at.all:
            yield at, member
            if member.used is not None and id(member.used) not in seen:
                seen.add(id(member.used))
                todo.append(member.used)


__all__ = ["NO_STAGE_BEFORE", "check_first_stage"]
