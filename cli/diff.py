"""`rflow diff`: what changed between two runs, or what a change to a flow means for safety."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from rflow.cli.command import command, format_option
from rflow.cli.complete import runs
from rflow.cli.entry import PROBLEMS
from rflow.cli.failure import Failure
from rflow.cli.flows import Kinds, flows_of
from rflow.cli.target import state_option

if TYPE_CHECKING:
    from rflow.compiler.plan import Plan
    from rflow.compiler.program import Checked

EXAMPLE = """
rflow diff 7k2m 9x4q                       two runs: code, graph, values, artifacts
rflow diff old.rflow new.rflow             two files: what the change means for safety
rflow diff --rev main release.rflow        the same, against a revision of git
rflow diff --rev main...topic release.rflow --format markdown
"""


def _names(ctx: click.Context, param: click.Parameter, begun: str) -> list[object]:
    """Files while a path is typed, else runs."""
    from click.shell_completion import CompletionItem

    if "." in begun or "/" in begun:
        return [CompletionItem(begun, type="file")]
    return [*runs(ctx, param, begun), CompletionItem(begun, type="file")]


@command("diff", example=EXAMPLE)
@click.argument("names", metavar="OLD NEW", nargs=-1, shell_complete=_names)
@click.option(
    "--rev",
    metavar="OLD[..NEW]",
    help="Compare revisions of one file; `...` begins at what they have in common.",
)
@click.option("--flow", metavar="FLOW", help="Compare only this flow.")
@click.option("--exit-zero", is_flag=True, help="End with 0 whatever is found.")
@format_option("text", "json", "markdown")
@state_option
def diff(
    names: tuple[str, ...],
    rev: str | None,
    flow: str | None,
    exit_zero: bool,
    form: str,
    state: str | None,
) -> int:
    """Say what changed between two runs, or what a change to a flow means for safety.

    For files, plans are compared, not texts: what only moves, renames or writes out is no change.
    A risk takes away a protection that was there, a caution opens something that somebody should
    look at, a note is worth knowing. The exit code is 1 if there is a risk.
    """
    if rev is not None:
        if len(names) != 1:
            raise Failure("`--rev` takes one file", help="`rflow diff --rev main release.rflow`")
        old, new, kinds = _revisions(rev, names[0])
        return _flows(old, new, kinds, names[0], flow, form, exit_zero)
    if len(names) != 2:
        raise Failure(
            "two runs or two files are compared", help="`rflow diff --help` shows examples"
        )
    if not any(_is_file(name) for name in names):
        from rflow.cli.diff_runs import show_runs

        return show_runs(names[0], names[1], form, state)
    kinds = Kinds()
    return _flows(_side(names[0]), _side(names[1]), kinds, names[1], flow, form, exit_zero)


def _is_file(name: str) -> bool:
    return name == "-" or name.endswith(".rflow") or os.sep in name or os.path.isfile(name)


def _side(file: str) -> Checked:
    """A file without mistakes."""
    return flows_of(file).checked


def _revisions(rev: str, file: str) -> tuple[Checked | None, Checked | None, Kinds]:
    """The two programs that `--rev` means; None where the file does not exist."""
    from rflow.cli.revisions import Repository, Revision

    repository, kinds = Repository.of(file), Kinds()
    one, dots, two = rev.partition("...") if "..." in rev else rev.partition("..")
    old = repository.commit(one)
    if dots:
        new = repository.commit(two or "HEAD")
        if dots == "...":
            old = repository.base(old, new)
        after = Revision(repository, new, two or "HEAD").checked(kinds)
    else:
        after = _side(file) if os.path.exists(file) else None
    before = Revision(repository, old, one).checked(kinds)
    if before is None and after is None:
        raise Failure(f"there is no file `{repository.path}` in either revision")
    return before, after, kinds


def _flows(
    old: Checked | None,
    new: Checked | None,
    kinds: Kinds,
    file: str,
    flow: str | None,
    form: str,
    exit_zero: bool,
) -> int:
    from rflow.cli.diff_flows import show_flows
    from rflow.compiler.safety import compare_flows, roots

    names: tuple[list[str], list[str]]
    if old is not None and new is not None:
        names = roots(old, new)
    else:
        names = ([*old.flows] if old else [], [*new.flows] if new else [])
    if flow is not None:
        if not any(flow in side.program.flows for side in (old, new) if side is not None):
            raise Failure(f"neither file holds a flow `{flow}`")
        names = ([flow], [flow])
    before, now = (
        dict(_plans(side, wanted, kinds)) for side, wanted in zip((old, new), names, strict=True)
    )
    found = compare_flows(before, now, kinds.specs)
    show_flows(found, os.path.dirname(file), form)
    risks = sum(changes.count("risk") for changes in found)
    return PROBLEMS if risks and not exit_zero else 0


def _plans(side: Checked | None, names: list[str], kinds: Kinds) -> Iterator[tuple[str, Plan]]:
    for name in names:
        if side is not None and name in side.program.flows:
            yield name, side.plan(name, kinds.delays)
