"""Saved overrides of a flow's arguments: values that its runs get unless one is given for the run.

They lie in the journal's settings, read by the declared type; that of a secret argument is sealed.
What no longer fits the flow is refused when a run is prepared, not here.
"""

from __future__ import annotations

from collections.abc import Mapping

from rflow.compiler.plan import Arg, Json, Plan
from rflow.compiler.types import check_value, read_text
from rflow.plugins.notation import parse_type
from rflow.runner import refusals
from rflow.runner.journal import Journal
from rflow.runner.problems import StateError
from rflow.runner.scope import MASK
from rflow.runner.secrets import Key


def saved_args(journal: Journal, key: Key, plan: Plan) -> dict[str, Json]:
    """The saved values of a flow's arguments, secret ones opened."""
    found = journal.settings(plan.flow)
    for arg in plan.args:
        value = found.get(arg.name)
        if arg.secret and isinstance(value, str):
            found[arg.name] = key.open(value, _about(plan.flow, arg.name))
    return found


def shown_args(journal: Journal, plan: Plan) -> dict[str, Json]:
    """The saved values of a flow's arguments, secret ones masked."""
    secret = {arg.name for arg in plan.args if arg.secret}
    saved = journal.settings(plan.flow)
    return {name: MASK if name in secret else value for name, value in saved.items()}


def save_arg(journal: Journal, key: Key, plan: Plan, name: str, value: Json) -> None:
    """Save the value of an argument. StateError where the flow has no such one, or of its type."""
    arg = _declared(plan, name)
    wanted = parse_type(arg.type)
    try:
        read = read_text(value, wanted) if isinstance(value, str) else value
        wrong = check_value(read, wanted)
    except ValueError as error:
        read, wrong = None, str(error)
    if wrong is not None:
        shown = "" if arg.secret else f": {wrong}"
        raise StateError(
            refusals.BAD_ARG,
            f"the argument `{name}` is not of type `{arg.type}`{shown}",
            "give a value of that type",
        )
    if arg.secret and isinstance(read, str):
        read = key.seal(read, _about(plan.flow, name))
    journal.set_setting(plan.flow, name, read)


def forget_arg(journal: Journal, plan: Plan, name: str) -> None:
    """Forget a saved value. StateError where there is none."""
    if not journal.delete_setting(plan.flow, name):
        saved: Mapping[str, Json] = journal.settings(plan.flow)
        listed = ", ".join(f"`{known}`" for known in saved) or "none"
        raise StateError(
            refusals.NOT_HELD, f"no value is saved for `{name}`", f"saved are: {listed}"
        )


def _declared(plan: Plan, name: str) -> Arg:
    known = [arg.name for arg in plan.args]
    for arg in plan.args:
        if arg.name == name:
            return arg
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(known), n=1)
    listed = ", ".join(f"`{arg}`" for arg in known) or "none"
    raise StateError(
        refusals.BAD_ARG,
        f"the flow `{plan.flow}` has no argument `{name}`",
        f"did you mean `{near[0]}`?" if near else f"its arguments are: {listed}",
    )


def _about(flow: str, name: str) -> str:
    return f"flow {flow} args.{name}"
