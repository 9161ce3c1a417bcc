"""What a decision binds to: two runs that differ in one thing, inside the slice or outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rflow.cli.flows import flows_of
from rflow.compiler.plan import Json
from rflow.plugins.host import Host
from rflow.runner import approvals
from rflow.runner.service import Service

FLOW = """
rflow 1

flow f {
  arg inside: string = "a"
  arg outside: string = "b"
  arg crossing: string = "c"
  secret one from env "SLICE_ONE"
  secret two from env "SLICE_TWO"
  let key = $<secrets.one>

  node aside: file.write { path = "aside"  content = "$<args.outside>" }
  node source: sh {
    script = "echo rev=$<args.crossing> >> \\"$RFLOW_OUTPUT\\""
    output rev: string
    pure
  }
  approve gate after source { }
  node near: sh after gate { script = "echo near"  env = { K = $<let.key> }  pure }
  node far: file.write after near {
    path = "far"
    content = "$<args.inside> $<refs.source.rev>"
  }
}
"""


@dataclass(frozen=True)
class Differs:
    """In what a run differs from the first."""

    edit: tuple[str, str] = ("", "")
    args: Mapping[str, Json] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


INSIDE = {
    "an argument that is read behind the gate": Differs(args={"inside": "z"}),
    "a value that crosses the gate": Differs(args={"crossing": "z"}),
    "the node next to the gate": Differs(("echo near", "echo nearer")),
    "a node far behind the gate": Differs(('path = "far"', 'path = "further"')),
    "an override behind the gate": Differs(overrides={"far": {"mode": "600"}}),
    "which secret is given": Differs(("let key = $<secrets.one>", "let key = $<secrets.two>")),
}
OUTSIDE = {
    "an argument that is read elsewhere": Differs(args={"outside": "z"}),
    "a node beside the gate": Differs(('path = "aside"', 'path = "elsewhere"')),
    "an override beside the gate": Differs(overrides={"aside": {"mode": "600"}}),
    "where the lines stand": Differs(("approve gate", "\n\n  approve gate")),
}


def slice_of(folder: Path, differs: Differs) -> str:
    """The slice of the gate when it is asked for."""
    folder.mkdir()
    flow = folder / "f.rflow"
    flow.write_text(FLOW.replace(*differs.edit) if differs.edit[0] else FLOW)
    host = Host.load()
    service = Service.open(folder / ".rflow", host)
    try:
        prepared = service.prepare(
            flows_of(str(flow)).plan("f"),
            directory=folder,
            args=dict(differs.args),
            overrides={node: dict(given) for node, given in differs.overrides.items()},
            by="dev@example.com",
        )
        run = service.create(prepared)
        service.drive(run, until="wait")
        state = service.fold(run)
        return approvals.digest(approvals.binds(state, host.filters(), "gate"))
    finally:
        service.close()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLICE_ONE", "one-of-the-secrets")
    monkeypatch.setenv("SLICE_TWO", "two-of-the-secrets")


@pytest.mark.parametrize("what", INSIDE)
def test_what_is_behind_the_gate_is_bound(what: str, tmp_path: Path) -> None:
    assert slice_of(tmp_path / "1", Differs()) != slice_of(tmp_path / "2", INSIDE[what])


@pytest.mark.parametrize("what", OUTSIDE)
def test_what_is_elsewhere_is_not(what: str, tmp_path: Path) -> None:
    assert slice_of(tmp_path / "1", Differs()) == slice_of(tmp_path / "2", OUTSIDE[what])
