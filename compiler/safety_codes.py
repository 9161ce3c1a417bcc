"""What can be told of a change to a flow: each code, its levels, and what it means.

This module owns the codes of `rflow diff`; a `Change` has one of them at one of its levels, or
cannot be made. The page of the reference is made from here.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Level = Literal["risk", "caution", "note"]
LEVELS: tuple[Level, ...] = ("risk", "caution", "note")


class ChangeCode(Struct, frozen=True):
    """A code: the levels at which it is told, the gravest first, and what it means. With several
    levels, `means` says when it is which."""

    code: str
    levels: tuple[Level, ...]
    means: str


def _risk(code: str, means: str) -> ChangeCode:
    return ChangeCode(code, ("risk",), means)


def _caution(code: str, means: str) -> ChangeCode:
    return ChangeCode(code, ("caution",), means)


def _note(code: str, means: str) -> ChangeCode:
    return ChangeCode(code, ("note",), means)


def _grave(code: str, means: str) -> ChangeCode:
    return ChangeCode(code, ("risk", "caution"), means)


def _light(code: str, means: str) -> ChangeCode:
    return ChangeCode(code, ("caution", "note"), means)


_IF_EFFECT = "a risk on a node with an effect"

SECTIONS: dict[str, tuple[ChangeCode, ...]] = {
    "Approvals": (
        _grave(
            "ungated",
            "an effect can be reached without any approval; a caution if it is new, and in a flow "
            "that had no gates and no protected stage",
        ),
        _caution("gate-lost", "an effect is behind fewer gates than before, but behind one"),
        _caution("gate-removed", "a gate is gone, from which no effect was told to be lost"),
        _caution("gate-skippable", "a gate may be skipped now, or the run goes on without it"),
        _note("gate-added", "there is a new gate"),
        _risk("gate-count", "fewer approvals are asked for"),
        _risk("gate-anyone", "anyone may approve, it was certain people"),
        _caution("gate-people", "more people may approve"),
        _risk("gate-self", "people may approve runs that they started"),
        _caution("gate-within", "it can be approved for longer"),
        _risk("gate-expiry", "what the run did is not undone any more when the gate expires"),
    ),
    "Rolling back": (
        _risk("no-rollback", "`on failure rollback` was dropped"),
        _risk("contract-removed", "an effect says nothing of rolling back any more"),
        _risk("contract-weaker", "an effect is left, or cannot be undone, and could before"),
        _caution("undo-changed", "an effect is undone in another way"),
        _note("contract-reason", "another reason is given for `keep` or `irreversible`"),
        _caution("contract-none", "a new effect says nothing of rolling back"),
        _caution("contract-irreversible", "a new effect cannot be undone"),
        _caution("effect-new", "a node that had no effect has one now"),
        _risk("effect-pure", "an effect is called pure: not gated, undone or reported any more"),
        _caution("end-removed", "a node of `on failure` or `finally` is gone"),
    ),
    "Stage and run": (
        _grave(
            "stage", "the flow releases to another stage; a caution if it released to none before"
        ),
        _risk("unprotected", "the stage is not protected any more"),
        _grave("rollback-by", "more people may confirm a rollback; a risk if it is anyone at all"),
        _risk("rollback-count", "fewer people have to confirm a rollback"),
        _caution("stage-order", "another stage comes before this one"),
        _grave(
            "windows",
            "the stage is open for longer; a caution where the time zone changed, so that it "
            "cannot be told",
        ),
        _grave(
            "concurrency",
            "runs stand in each other's way less than before; a risk if they go on side by side",
        ),
    ),
    "What starts a run": (
        _caution("trigger-added", "something new can start the flow"),
        _caution("trigger-changed", "a trigger is of another kind, or has other inputs"),
        _note("trigger-removed", "a trigger is gone"),
        _note("arg-type", "an argument takes another type"),
        _note("arg-default", "an argument has another default"),
    ),
    "Secrets and text from outside": (
        _grave(
            "secret",
            "a secret reaches nodes that it did not; a caution if no node had it before",
        ),
        _grave("untrusted", "text from outside reaches nodes that it did not; " + _IF_EFFECT),
        _risk("output-shown", "a node's output is not secret any more"),
        _risk("arg-shown", "an argument is not secret any more"),
        _caution("secret-source", "a secret of the same name comes from elsewhere"),
    ),
    "Nodes": (
        _risk("check-removed", "a check that effects came after is gone"),
        _risk("check-bypassed", "an effect does not wait for a check any more"),
        _grave(
            "check-skippable",
            "a node before an effect may be skipped; a risk if it is a check that has only become "
            "weaker",
        ),
        _caution("order-lost", "an effect does not wait for a node any more that is no check"),
        _grave(
            "continues",
            "`continue on failure` is new: what comes after runs all the same; a risk on what "
            "stands before an effect and has none",
        ),
        _light("condition", "a `when` changed; a note where the node only runs in fewer cases"),
        _grave(
            "retries",
            "an effect that is not repeatable may be done more often; a risk if it was once",
        ),
        _grave(
            "timeout-dropped",
            "a node or the flow has no timeout any more; a risk on the flow "
            "and on a node with an effect",
        ),
        _caution("timeout-raised", "a node or a run may take longer"),
        _grave("lock-dropped", "a node does not take its lock any more; " + _IF_EFFECT),
        _caution("lock-changed", "a node takes another lock"),
        _light("at-most", "more turns of a loop run at once; a note on a node without effect"),
        _note("loop", "a node stands in more or fewer loops, or runs for another list"),
        _caution("kind", "a node is of another kind"),
        _note("inputs", "inputs of a node changed"),
        _caution("starts-runs", "a new node starts runs of their own"),
        _note("added", "there is a new node"),
        _note("removed", "a node is gone"),
    ),
    "Whole flows": (
        _light("flow-added", "there is a new flow; a note if it changes nothing outside its runs"),
        _note("flow-renamed", "a flow has another name"),
        _note("flow-removed", "a flow is gone"),
    ),
}

CODES: dict[str, ChangeCode] = {one.code: one for found in SECTIONS.values() for one in found}


__all__ = ["CODES", "LEVELS", "SECTIONS", "ChangeCode", "Level"]
