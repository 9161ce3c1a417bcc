"""What stands beside the flows: groups of people, pipelines and their stages.

This module owns what these may say; that each has a name of its own is `names`.
"""

from __future__ import annotations

from rflow.compiler import calendar
from rflow.compiler.checks.report import Report, count, listed
from rflow.compiler.scope import Flow, People, Program, Stage
from rflow.dsl import ast
from rflow.dsl.diagnostics import Code

UNKNOWN_PEOPLE = Code(
    "RF210",
    "there is no such group of people",
    "`by` takes declared groups by their names, and people as strings.",
    bad="""rflow 1

group managers { members = ["oncall@example.com"] }

flow release {
  approve go { by manager }
}
""",
    good="""rflow 1

group managers { members = ["oncall@example.com"] }

flow release {
  approve go { by managers, "lead@example.com" }
}
""",
)

UNKNOWN_STAGE = Code(
    "RF211",
    "there is no such pipeline or stage",
    "`flow NAME for PIPELINE.STAGE` says where the flow releases to; both are declared in this "
    "file or in one it imports.",
    bad="""rflow 1

pipeline shop { stage staging  stage production }

flow release for shop.prodution {
  node build: sh { script = "make"  pure }
}
""",
    good="""rflow 1

pipeline shop { stage staging  stage production }

flow release for shop.production {
  node build: sh { script = "make"  pure }
}
""",
)

BAD_WINDOW = Code(
    "RF312",
    "a window that cannot be read",
    "`open` takes days, hours and a time zone: `Mon-Thu 09:00-16:00 Europe/Berlin`. Several days "
    "or spans of days have commas between them; hours past midnight are fine: `22:00-02:00`.",
    bad="""rflow 1

pipeline shop {
  stage production { open "Mon-Thu 9-16 Europe/Berlin" }
}
""",
    good="""rflow 1

pipeline shop {
  stage production { open "Mon-Thu 09:00-16:00 Europe/Berlin" }
}
""",
)

PEOPLE = Code(
    "RF322",
    "more approvals than people",
    "`count` says how many different people must approve: at least one, and no more than may. A "
    "group lists its people in `members`, a list of plain strings.",
    bad="""rflow 1

group managers { members = ["oncall@example.com"] }

flow release {
  approve go { by managers  count 2 }
}
""",
    good="""rflow 1

group managers { members = ["oncall@example.com", "lead@example.com"] }

flow release {
  approve go { by managers  count 2 }
}
""",
)


def check_people(people: People) -> None:
    """Read the members of a group of people."""
    report = people.file.report
    name = people.tree.name
    given = [item for item in people.tree.inputs if item.name.text == "members"]
    for item in people.tree.inputs:
        if item.name.text != "members":
            _not_a_field(report, item)
    if not given:
        if not people.tree.inputs and not report.damaged(people.tree.span):
            report.error(
                PEOPLE,
                name.span,
                f"the group `{name.text}` does not say who is in it",
                help='write `members = ["oncall@example.com"]`',
            )
        return
    value = given[0].value
    found: list[str] = []
    for person in value.items if isinstance(value, ast.ListExpr) else ():
        text = plain(person)
        if text is None:
            break
        if text not in found:
            found.append(text)
    else:
        if found:
            people.members = tuple(found)
            return
    report.error(
        PEOPLE,
        value.span,
        f"the members of `{name.text}` are a list of names, plain strings, and not empty",
    )


def _not_a_field(report: Report, item: ast.Input) -> None:
    from rflow.compiler.checks.inputs import UNKNOWN_INPUT

    report.unknown(
        UNKNOWN_INPUT,
        item.name.span,
        item.name.text,
        f"a group of people has no `{item.name.text}`",
        ["members"],
        help='it has `members = ["oncall@example.com"]`',
    )


def plain(node: ast.Expr) -> str | None:
    """The text of a string without references, if it is one and not empty."""
    if not isinstance(node, ast.Str) or not all(isinstance(part, str) for part in node.parts):
        return None
    text = "".join(str(part) for part in node.parts)
    return text if text.strip() else None


# -- stages ------------------------------------------------------------------------------------


def check_stage(stage: Stage, program: Program) -> None:
    """Read the clauses of a stage."""
    report = stage.file.report
    windows: list[str] = []
    policy: ast.RollbackPolicy | None = None
    for clause in stage.tree.clauses:
        match clause:
            case ast.Protect():
                if stage.protected:
                    _twice(report, clause, "protect")
                stage.protected = True
            case ast.Open(window):
                text = plain(window)
                try:
                    if text is None:
                        raise ValueError("a window is a plain string: `Mon-Fri 09:00-16:00 UTC`")
                    calendar.read_window(text)
                except ValueError as wrong:
                    report.error(BAD_WINDOW, window.span, str(wrong))
                    continue
                windows.append(text)
            case ast.RollbackPolicy():
                if policy is not None:
                    _twice(report, clause, "rollback")
                    continue
                policy = clause
                _, people = who(clause.by, program, report)
                stage.rollback_by = people
                stage.rollback_count = clause.count
                check_count(clause.count, people, bool(clause.by.who), report, clause.span)
    stage.open = tuple(windows)


def _twice(report: Report, clause: ast.Protect | ast.RollbackPolicy, word: str) -> None:
    from rflow.compiler.checks.clause_codes import TWICE

    report.error(TWICE, clause.span, f"`{word}` stands here twice", help="keep one of them")


def who(by: ast.By, program: Program, report: Report) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names after `by`, and all the people they stand for; empty after a mistake."""
    names: list[str] = []
    people: dict[str, None] = {}
    wrong = False
    for item in by.who:
        if isinstance(item, ast.Str):
            text = plain(item)
            if text is None:
                report.error(PEOPLE, item.span, "a person is a plain string, and not empty")
                wrong = True
                continue
            names.append(text)
            people[text] = None
            continue
        group = program.people.get(item.text)
        if group is None:
            known = list(program.people)
            report.unknown(
                UNKNOWN_PEOPLE,
                item.span,
                item.text,
                f"there is no group of people `{item.text}`",
                known,
                help=f"there are {listed(known)}"
                if known
                else 'declare it: `group NAME { members = ["oncall@example.com"] }`',
                imported=True,
            )
            wrong = True
            continue
        wrong = wrong or not group.members
        names.append(item.text)
        people.update(dict.fromkeys(group.members))
    return (() if wrong else tuple(names)), (() if wrong else tuple(people))


def check_count(
    number: int, people: tuple[str, ...], named: bool, report: Report, span: ast.Span
) -> None:
    """Report a count that can never be reached, or is none."""
    if number < 1:
        report.error(PEOPLE, span, f"`count {number}` needs nobody; it is at least 1")
    elif named and people and number > len(people):
        report.error(
            PEOPLE,
            span,
            f"`count {number}` can never be reached: {count(len(people), 'person')} may approve"
            if len(people) == 1
            else f"`count {number}` can never be reached: {len(people)} people may approve",
            help=f"they are {listed(people)}",
        )


def find_stage(flow: Flow, program: Program) -> None:
    """Find the stage that a flow is for."""
    name = flow.tree.stage
    if name is None:
        return
    report = flow.file.report
    first, dot, second = name.text.partition(".")
    pipeline = program.pipelines.get(first)
    if pipeline is None:
        known = list(program.pipelines)
        report.unknown(
            UNKNOWN_STAGE,
            name.span,
            first,
            f"there is no pipeline `{first}`",
            known,
            help=f"there are {listed(known)}" if known else "declare it: `pipeline NAME { … }`",
            imported=True,
        )
        return
    stage = pipeline.stages.get(second)
    if stage is None:
        known = [f"{first}.{stage}" for stage in pipeline.stages]
        if report.perhaps_declared(second or first):
            return
        from rflow.dsl.diagnostics import closest

        meant = closest(name.text, known)
        report.error(
            UNKNOWN_STAGE,
            name.span,
            f"the pipeline `{first}` has no stage `{second}`"
            if dot
            else f"`{first}` is a pipeline; a flow is for one of its stages",
            help=None if meant else f"there are {listed(known)}",
            suggestion=meant,
        )
        return
    flow.stage = stage
