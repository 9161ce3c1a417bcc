"""Starting a run of a flow: a form made of its arguments, triggers and nodes.

The flow that was shown is the flow that is started: if it has changed since, the form is shown
again.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec.structs import replace
from rflow.compiler.codec import digest, dumps
from rflow.compiler.expr import EvalError, evaluate
from rflow.compiler.notes import gate_of, notes_of
from rflow.compiler.plan import Plan, Trigger
from rflow.compiler.waves import coverage, sections, waves
from rflow.plugins.notation import show_type
from rflow.plugins.types import Json
from rflow.runner.line import freeze_of
from rflow.runner.prepare import CreationScope, triggers_read
from rflow.runner.problems import StateError
from rflow.runner.refusals import Refused
from rflow.runner.saved import shown_args
from rflow.server import actions
from rflow.server.catalog import Served
from rflow.server.commits import literal_branch
from rflow.server.core import Server
from rflow.server.pages import overrides as overrides_of
from rflow.server.pages.choices import Choices, Chooser
from rflow.server.pages.fields import Field, field, given, text
from rflow.server.pages.flows import show_default
from rflow.server.pages.forms import Form, Posted
from rflow.server.pages.look import changed, render
from rflow.server.pages.overrides import Row
from rflow.server.pages.who import Run
from rflow.server.reach import of
from rflow.server.refusals import STALE_LOOK

router = APIRouter(include_in_schema=False)
TITLES = {"main": "", "failure": "On failure", "finally": "Finally, however the run ends"}
GIT_DOCS = {"pull_request": "If no commit is given, its newest is taken."}
_NAMED = re.compile(r"`([^`]+)`")


@router.get("/flows/{flow}/run")
def form(request: Request, who: Run, flow: str) -> Response:
    """The form; the address may fill it in, `?arg.port=80`."""
    served = actions.served(of(request), flow)
    return _page(request, served, Form(list(request.query_params.multi_items())))


@router.post("/flows/{flow}/run")
def start(request: Request, who: Run, flow: str, form: Posted) -> Response:
    """Start the run, or show the form again with what is wrong."""
    server = of(request)
    served = actions.served(server, flow)
    if form.text("plan") != _digest(served):
        told = StateError(STALE_LOOK, "the flow has changed since the form was shown", "")
        return _page(request, served, form, [told], 409)
    fields = _arguments(request, served, Form([]))
    overrides, wrong = overrides_of.given(overrides_of.rows_of(form))
    if wrong:
        return _page(request, served, form, status=422, wrong=wrong)
    try:
        started = actions.start_run(
            server,
            who,
            flow,
            args={name.removeprefix("arg."): of for name, of in given(fields, form).items()},
            overrides=overrides,
            triggers=_triggers(form),
            name=form.text("name").strip(),
            description=form.text("description").strip(),
            key=form.text("key"),
            via="manual",
        )
    except Refused as refused:
        return _page(request, served, form, refused.problems, 422)
    except StateError as error:
        return _page(request, served, form, [error], 409)
    return changed(request, f"/runs/{started.run}")


def _page(
    request: Request,
    served: Served,
    form: Form,
    problems: Sequence[StateError] = (),
    status: int = 200,
    wrong: Mapping[int, StateError] | None = None,
) -> Response:
    server = of(request)
    arguments = _arguments(request, served, form)
    triggers = _trigger_fields(server, request.app.state.choices, served, form)
    names = [one.name for one in arguments]
    names += [one.name for _, fields, _ in triggers for one in fields]
    rows = overrides_of.rows_of(form)
    errors, others = _placed(problems, names, rows)
    errors |= {f"{overrides_of.NAME}.{number}": one for number, one in (wrong or {}).items()}
    offered = list(overrides_of.offered(server.host, served.plan))
    return render(
        "run_form.html",
        request,
        status,
        served=served,
        plan=served.plan,
        digest=_digest(served),
        key=secrets.token_hex(8),
        arguments=arguments,
        triggers=triggers,
        offered=offered[: overrides_of.OFFERED_MAX],
        rows=rows + [Row("", "")] * overrides_of.EMPTY,
        filled=bool(rows),
        name=form.text("name"),
        description=form.text("description"),
        errors=errors,
        freeze=_freeze(server, served.plan),
        problems=others,
        steps=_steps(served.plan),
        gates=[gate_of(served.plan, node) for node in served.plan.nodes if node.approval],
        coverage=coverage(served.plan).lines(),
    )


def _freeze(server: Server, plan: Plan) -> dict[str, Json] | None:
    stage = f"{plan.stage.pipeline}.{plan.stage.name}" if plan.stage else None
    return freeze_of(server.services.here().journal, stage, time.time())


def _digest(served: Served) -> str:
    return digest(dumps(served.plan))


def _arguments(request: Request, served: Served, form: Form) -> list[Field]:
    journal = of(request).services.here().journal
    saved = shown_args(journal, served.plan)
    return [
        field(
            f"arg.{arg.name}",
            arg.name,
            arg.type,
            doc=arg.doc,
            secret=arg.secret,
            required=arg.required and arg.name not in saved,
            otherwise=_otherwise(served.plan, arg.name, saved),
            entered=_entered(form, f"arg.{arg.name}", arg.type),
        )
        for arg in served.plan.args
    ]


def _entered(form: Form, name: str, type: str) -> str:
    """What was filled in; a form that was sent without a box had it not ticked."""
    unticked = type == "bool" and "plan" in form and name not in form
    return "false" if unticked else form.text(name)


def _otherwise(plan: Plan, name: str, saved: dict[str, Json]) -> str:
    """What an argument is if none is given."""
    arg = next(arg for arg in plan.args if arg.name == name)
    if name in saved:
        return "set" if arg.secret else text(saved[name], arg.type)
    if arg.default is None or arg.secret:
        return ""
    try:
        return text(evaluate(arg.default, CreationScope(plan, {}), {}), arg.type)
    except EvalError:
        return show_default(plan, arg)


def _trigger_fields(
    server: Server, chooser: Chooser, served: Served, form: Form
) -> list[tuple[Trigger, list[Field], Choices]]:
    """The fields of each trigger that says something of a run, with what there is to choose. A
    commit is always asked for; what a webhook or a clock would say only where the flow reads it."""
    specs = server.host.specs().triggers
    read = triggers_read(served.plan)
    found = []
    for trigger in served.plan.triggers:
        spec = specs.get(trigger.kind)
        if spec is None or not spec.outputs or (trigger.kind != "git" and trigger.name not in read):
            continue
        choices = Choices()
        if trigger.kind == "git":
            repo = str(_input(served.plan, trigger, "repo") or "")
            choices = chooser.of(server.repositories, repo, served.directory)
        names = [output.name for output in spec.outputs]
        if trigger.kind == "git":
            pulls = choices.pulls or _input(served.plan, trigger, "pull_requests")
            names = ["branch", "sha", "pull_request"] if pulls else ["branch", "sha"]
        branch = literal_branch(_input(served.plan, trigger, "branches"))
        types = {output.name: output for output in spec.outputs}
        fields = [
            replace(
                field(
                    f"trigger.{trigger.name}.{name}",
                    {"sha": "commit", "pull_request": "pull request"}.get(name, name),
                    show_type(types[name].type),
                    doc=GIT_DOCS.get(name, "") if trigger.kind == "git" else types[name].doc,
                    entered=form.text(f"trigger.{trigger.name}.{name}"),
                ),
                otherwise={"sha": "its newest", "branch": branch}.get(name, ""),
            )
            for name in names
        ]
        found.append((trigger, fields, choices))
    return found


def _input(plan: Plan, trigger: Trigger, name: str) -> Json:
    try:
        return evaluate(trigger.inputs[name], CreationScope(plan, {}), {})
    except (EvalError, KeyError):
        return None


def _triggers(form: Form) -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for name, value in form.under("trigger.").items():
        trigger, _, output = name.rpartition(".")
        if trigger and value.strip():
            found.setdefault(trigger, {})[output] = value.strip()
    return found


def _placed(
    problems: Sequence[StateError], names: list[str], rows: list[Row]
) -> tuple[dict[str, StateError], list[StateError]]:
    """The problems that belong to a field, by its name, and the others."""
    placed: dict[str, StateError] = {}
    others: list[StateError] = []
    for problem in problems:
        row = overrides_of.row_of(problem, rows)
        if row is not None:
            placed.setdefault(f"{overrides_of.NAME}.{row}", problem)
            continue
        said = _NAMED.findall(problem.message)
        wanted = {f"arg.{one}" for one in said} | {f"trigger.{one}" for one in said}
        name = next((name for name in names if name in wanted), None)
        if name is None or name in placed:
            others.append(problem)
        else:
            placed[name] = problem
    return placed, others


def _steps(plan: Plan) -> list[tuple[str, list[list[dict[str, Any]]]]]:
    """What will happen: for each section its waves, each with its nodes."""
    return [
        (
            TITLES[section],
            [
                [{"node": node, "notes": " · ".join(notes_of(plan, node))} for node in wave]
                for wave in waves(plan, section)
            ],
        )
        for section in sections(plan)
    ]
