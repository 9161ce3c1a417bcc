"""What a change means for rolling back: contracts, `on failure`, `finally`."""

from __future__ import annotations

from rflow.compiler.plan import Contract
from rflow.compiler.safety_change import Comparison, named, verb
from rflow.compiler.safety_facts import is_effect
from rflow.compiler.safety_normal import Part

_WORTH = {"self": 3, "undo": 3, "keep": 2, "irreversible": 1, "none": 0}


def check_rollback(found: Comparison) -> None:
    """Add the changes of what can be taken back."""
    for old, new in found.both():
        if is_effect(old.node):
            _check_contract(found, old, new)
        elif is_effect(new.node):
            message = f"`{new.id}` changes something outside the run now, it was without effect"
            found.add("caution", "effect-new", new.id, message, new.node.place)
    for part in found.pairs.added():
        said = part.node.contract.type
        if is_effect(part.node) and said in ("none", "irreversible"):
            told = "says nothing of rolling back" if said == "none" else "cannot be undone"
            message = f"a new effect, `{part.id}`, {told}"
            found.add("caution", f"contract-{said}", part.id, message, part.node.place)
    if found.old.rollback_on_failure and not found.new.rollback_on_failure:
        message = "what a failed run did is not undone any more: `on failure rollback` was dropped"
        found.add("risk", "no-rollback", found.new.flow, message)
    _check_ends(found)


def _check_contract(found: Comparison, old: Part, new: Part) -> None:
    one, two = old.node.contract, new.node.contract
    if two.type == "pure" or new.node.effect is None:
        if new.node.kind == old.node.kind:
            message = f"`{new.id}` is called pure now: it is not gated, undone or reported any more"
            found.add("risk", "effect-pure", new.id, message, new.node.place)
        return
    if _WORTH[two.type] < _WORTH[one.type]:
        said = "says nothing of rolling back any more" if two.type == "none" else _now(two)
        message = f"`{new.id}` {said}, it was {_was(one)}"
        code = "contract-removed" if two.type == "none" else "contract-weaker"
        found.add("risk", code, new.id, message, new.node.place)
    elif one.type == two.type == "undo":
        pairs = found.pairs
        if pairs.contract(old, pairs.before) != pairs.contract(new, pairs.now):
            message = f"`{new.id}` is undone in another way than before{_kinds(one, two)}"
            found.add("caution", "undo-changed", new.id, message, new.node.place)
    elif one.type == two.type and one.reason != two.reason:
        message = f"`{new.id}` gives another reason for `{two.type}`: {two.reason}"
        found.add("note", "contract-reason", new.id, message, new.node.place)
    elif one.type == "self" and two.type == "undo":
        message = f"`{new.id}` is undone by `{two.kind}` now, not by its own kind"
        found.add("caution", "undo-changed", new.id, message, new.node.place)


def _now(contract: Contract) -> str:
    return (
        "is left when the run is undone now" if contract.type == "keep" else "cannot be undone now"
    )


def _was(contract: Contract) -> str:
    match contract.type:
        case "undo":
            return f"undone by `{contract.kind}`"
        case "self":
            return "undone by its kind"
        case "keep":
            return "safe to leave"
        case _:
            return "irreversible"


def _kinds(one: Contract, two: Contract) -> str:
    return "" if one.kind == two.kind else f": by `{two.kind}`, it was `{one.kind}`"


def _check_ends(found: Comparison) -> None:
    """Nodes of `on failure` and `finally` that are gone."""
    for section, words in (("failure", "when the run fails"), ("finally", "when the run ends")):
        gone = [part for part in found.pairs.removed() if part.node.section == section]
        if gone:
            ids = [part.id for part in gone]
            message = f"{named(ids)} {verb(ids, 'does', 'do')} not run {words} any more"
            found.add("caution", "end-removed", ids, message, gone[0].node.place, gone=True)
