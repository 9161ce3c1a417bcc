"""Any test of a flow: checking it never raises, playing it always ends, crashes or not."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rflow.cli.flows import Kinds
from rflow.compiler.program import check
from rflow.dsl.diagnostics import Source
from rflow.runner.expectations import judge, story
from rflow.runner.rehearsal_coverage import Coverage
from rflow.runner.rehearsal_run import Theatre, Unplayable
from rflow.runner.rehearse import Fall, play

FLOW = """rflow 1

flow inner {
  node ping: http.check { url = "https://shop.example.com" }
}

flow release {
  arg sites: list(string) = ["eu", "us"]
  node build: sh { script = "make"  output version: string  output size: int?  pure }
  approve go after build { by "a@example.com", "b@example.com"  count 2  within 1h else rollback }
  parallel parts after go {
    node web: deploy.directory {
      each site in $<args.sites> at most 1
      artifact = $<refs.image.artifact>
      target   = "/srv/$<each.site>"
      timeout 5m
      lock "web"
    }
    node flag: sh { script = "on"  undo sh { script = "off" }  retry 2 }
  }
  node image: build.archive { from = "src"  name = "shop" }
  node keep_it: sh after parts { when $<refs.build.size | default(0)> < 5  script = "x"  keep "ok" }
  use inner as check after keep_it { }
  node mild: sh after check { script = "y"  pure  retry none  continue on failure }
  output version = $<refs.build.version>
  on failure rollback
  finally { node tell: sh { script = "z"  pure } }
}
"""
NODES = ["build", "web", "flag", "image", "keep_it", "check.ping", "mild", "tell", "web[eu]"]
ALL = [*NODES, "go", "parts", "check", "web[none]", "nothing"]
PEOPLE = [
    '"a@example.com"',
    '"b@example.com"',
    '"a@example.com", "b@example.com"',
    '"c@example.com"',
]
spans = st.sampled_from(["1s", "10m", "2h"])
later = st.one_of(st.just(""), spans.map(lambda d: f" after {d}"))
nodes, targets = st.sampled_from(NODES), st.sampled_from(ALL)
attempts = st.sampled_from(["always", "on attempt 1", "on attempts 1..2", "on attempt 3"])
clauses = st.one_of(
    st.builds(
        "answer go {} by {}{}".format,
        st.sampled_from(["approve", "reject"]),
        st.sampled_from(PEOPLE),
        later,
    ),
    st.builds("fail {} {}{}".format, nodes, attempts, st.sampled_from(["", " halfway"])),
    st.builds("fail undo {} {}".format, nodes, attempts),
    st.builds("given {} takes {}".format, nodes, spans),
    st.just('given build { version = "1"  size = 7 }'),
    st.builds("cancel at {}{}".format, targets, st.sampled_from(["", " with rollback"])),
    st.builds("cancel after {}{}".format, spans, st.sampled_from(["", " with rollback"])),
    st.builds(
        "expect {} {}".format,
        targets,
        st.sampled_from(["success", "failed", "skipped", "cancelled", "not started"]),
    ),
    st.builds("expect {} {}".format, st.sampled_from(["undone", "kept", "effect"]), targets),
    st.builds("expect {} before {}".format, targets, targets),
    st.builds("expect {} attempts {}".format, nodes, st.integers(0, 4)),
)
KINDS = Kinds()


def _load(source: Source, path: str) -> Source:
    raise AssertionError(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(clauses, max_size=6), st.integers(1, 40), st.booleans())
@example(["cancel at tell"], 1, False)  # one cancel does not end what runs in `finally`
def test_any_test_is_checked_and_ends(lines: list[str], at: int, written: bool) -> None:
    body = "\n".join(f"  {line}" for line in lines)
    text = f'{FLOW}\ntest "one" {{\n  run release\n{body}\n  expect run within 400d\n}}\n'
    checked = check(Source("flow.rflow", text), KINDS.specs, _load)
    if checked.diagnostics:
        assert {d.code.id[:4] for d in checked.diagnostics} <= {"RF28", "RF38"}
        return
    (test,) = checked.tests
    theatre = _theatre(checked)
    try:
        calm = play(theatre, test)
    except Unplayable:
        assert "web[none]" in text
        return
    assert calm.state.ended
    judge(calm, theatre.filters)
    assert story(calm)
    coverage = Coverage(theatre.plan)
    coverage.add([calm])
    assert coverage.reached > 0
    crashed = play(theatre, test, Fall(at, written))
    assert crashed.state.ended
    assert crashed.world.twice == []


def _theatre(checked: Any) -> Theatre:
    return Theatre(checked.plan("release", KINDS.delays), KINDS.specs, KINDS.host.filters())
