"""A decision binds to what is behind the gate: which changes ask again, and which do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from rflow.cli.flows import flows_of
from rflow.plugins.host import Host
from rflow.runner import events as ev
from rflow.runner.service import Service

FLOW = """
rflow 1

group people { members = ["lead@example.com"] }

flow f {
  arg inside: string = "a"
  arg outside: string = "b"
  secret token from env "SLICE_TOKEN"
  let shared = "let-$<args.inside>"

  node source: sh {
    script = "echo rev=$<args.outside> >> \\"$RFLOW_OUTPUT\\""
    output rev: string
    pure
  }
  node aside: sh { script = "echo aside"  env = { A = "1"  B = $<args.outside> }  cwd = "."  pure }
  node quiet: sh after source {
    script = "echo size=9 >> \\"$RFLOW_OUTPUT\\""
    output size: string
    pure
  }
  node note: file.write after quiet { path = "note"  content = "size $<refs.quiet.size>" }

  approve gate after note { by people }

  node first: sh after gate {
    script = "echo $<refs.source.rev> $<let.shared>"
    env = { T = $<secrets.token> }
    cwd = "."
    pure
  }
  node second: file.write after first { path = "out"  content = "$<args.inside>"  mode = "644" }
  node third: http.check after second {
    url = "http://127.0.0.1:9/$<refs.source.rev>"
    timeout 1s
    retry none
  }
}
"""

INSIDE = [
    "first.script=echo other",
    'first.env={"T": "x"}',
    "first.cwd=..",
    'first.shell=["/bin/sh", "-e"]',
    "second.path=elsewhere",
    "second.content=other",
    "second.mode=600",
    "third.url=http://127.0.0.1:9/other",
    "third.expect=201",
    "third.contains=ok",
]
CROSSING = [
    ("source", 'source.script=echo rev=other >> "$RFLOW_OUTPUT"'),
]
OUTSIDE = [
    ("third", "aside.script=echo other"),
    ("third", 'aside.env={"A": "2"}'),
    ("third", "aside.cwd=.."),
    ("aside", "aside.script=echo third"),
    ("aside", None),
    ("quiet", 'quiet.script=echo size=9 >> "$RFLOW_OUTPUT"; echo more'),
    ("quiet", "quiet.cwd=."),
    ("note", "note.content=something else"),
    ("note", "note.path=note-2"),
    ("source", None),
    ("third", None),
    ("second", None),
]


class Gated:
    """A run whose gate was approved, and which failed behind it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SLICE_TOKEN", "a-secret-value")
        flow = folder / "f.rflow"
        flow.write_text(FLOW)
        self.service = Service.open(folder / ".rflow", Host.load())
        prepared = self.service.prepare(
            flows_of(str(flow)).plan("f"), directory=folder, args={}, by="dev@example.com"
        )
        self.run = self.service.create(prepared)
        self.service.drive(self.run, until="wait")
        self.service.decide(self.run, "gate", by="lead@example.com", decision="approve")
        assert self.service.drive(self.run).status == "failed"

    def again(self, node: str | None, override: str | None) -> list[ev.ApprovalAsked]:
        """Retry with an override; the gate's askings that wait for somebody."""
        overrides: dict[str, dict[str, str]] = {}
        if override is not None:
            where, _, value = override.partition("=")
            target, _, name = where.partition(".")
            overrides = {target: {name: value}}
        before = self.service.summary(self.run).length
        self.service.retry(self.run, node, overrides, by="dev@example.com")
        self.service.drive(self.run, until="wait")
        records = self.service.records(self.run, before)
        answered = {r.event.node for r in records if isinstance(r.event, ev.AttemptSucceeded)}
        return [
            r.event
            for r in records
            if isinstance(r.event, ev.ApprovalAsked) and r.event.node not in answered
        ]


@pytest.mark.parametrize("override", INSIDE)
def test_a_change_behind_the_gate_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    gated = Gated(tmp_path, monkeypatch)
    where, _, value = override.partition("=")
    target, _, name = where.partition(".")
    preview = gated.service.retry_preview(gated.run, None, {target: {name: value}})
    assert preview.asked_again == ["gate"]
    asked = gated.again(None, override)
    assert [event.round for event in asked] == [2]
    assert asked[0].reason.code == "slice-changed"
    assert any(target in changed for changed in asked[0].reason.values)


@pytest.mark.parametrize(("node", "override"), CROSSING)
def test_a_value_that_crosses_the_gate_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str, override: str
) -> None:
    asked = Gated(tmp_path, monkeypatch).again(node, override)
    assert [event.reason.code for event in asked] == ["slice-changed"]
    assert asked[0].reason.values == {"values.source.rev": ["b", "other"]}


@pytest.mark.parametrize(("node", "override"), OUTSIDE)
def test_a_change_elsewhere_does_not_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str, override: str | None
) -> None:
    assert Gated(tmp_path, monkeypatch).again(node, override) == []


def test_who_started_the_run_cannot_approve_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = Gated(tmp_path, monkeypatch)
    gated.again(None, "second.content=other")
    from rflow.runner.problems import StateError

    for by in ("dev@example.com", "nobody@example.com", ""):
        with pytest.raises(StateError) as error:
            gated.service.decide(gated.run, "gate", by=by, decision="approve")
        assert error.value.code == "RF934"
