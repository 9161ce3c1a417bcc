"""The codes of mistakes in `test` blocks."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

_FLOW = """rflow 1

flow release {
  arg channel: "stable" | "canary" = "stable"
  node build: sh { script = "make"  output version: string  pure }
  approve go after build { by "oncall@example.com" }
  node web: sh after go { script = "deploy $<refs.build.version>"  undo sh { script = "back" } }
  output version = $<refs.build.version>
  on failure rollback
}

"""


def _code(id: str, title: str, why: str, bad: str, good: str) -> Code:
    return Code(id, title, why, f"{_FLOW}test {bad}\n", f"{_FLOW}test {good}\n")


_GOOD = """"a release" {
  run release { channel = "canary" }
  given build { version = "1.2" }
  answer go approve by "oncall@example.com"
  fail web on attempt 1
  expect run failed
  expect build success
}"""

NO_FLOW = _code(
    "RF280",
    "a test of no flow",
    "`run FLOW` in a test names a flow of this file or of one it imports.",
    '"a release" {\n  run relase\n  expect run success\n}',
    _GOOD,
)
NO_SUCH = _code(
    "RF281",
    "a test names what the flow does not have",
    "A test names nodes, gates and groups of its flow (`web`, `check.ping`, `web[eu]`), triggers "
    "(`refs.main`), and the outputs of each. `expect output NAME` is an output of the flow.",
    '"a release" {\n  run release\n  expect wep success\n}',
    _GOOD,
)
TOLD_TWICE = _code(
    "RF282",
    "a test that says something twice",
    "A test starts one run; the same node is given values once, and two tests of a file have two "
    "names, by which `rflow test -k` finds them.",
    '"a release" {\n  run release\n  run release\n  expect run failed\n}',
    _GOOD,
)
INCOMPLETE = _code(
    "RF380",
    "a test that starts or expects nothing",
    "A test starts a run of a flow, `run FLOW`, and says what it expects of it.",
    '"a release" {\n  run release\n}',
    _GOOD,
)
NO_VALUE = Code(
    "RF381",
    "a test without a value that the run needs",
    "A run of a flow needs its arguments and what its triggers bring; in a test nothing is asked "
    "of git or of the clock. What the flow reads of a trigger stands in `given refs.TRIGGER { … }`;"
    " `repo_url` and a branch that the trigger names need not be said.",
    bad="""rflow 1

flow release {
  trigger main: git { repo = "https://git.example.com/shop.git"  branches = ["main"] }
  node build: sh { script = "make $<refs.main.sha>"  pure }
}

test "it builds" {
  run release
  expect run success
}
""",
    good="""rflow 1

flow release {
  trigger main: git { repo = "https://git.example.com/shop.git"  branches = ["main"] }
  node build: sh { script = "make $<refs.main.sha>"  pure }
}

test "it builds" {
  run release
  given refs.main { sha = "4f2c1e0" }
  expect run success
}
""",
)
NEVER = _code(
    "RF382",
    "an expectation that can never hold",
    "What the flow says rules it out: a node without `when` is not skipped, one without an effect "
    "is not undone, a run that fails has no outputs.",
    '"a release" {\n  run release\n  expect undone build\n}',
    _GOOD,
)
NO_DECISION = _code(
    "RF383",
    "an answer that would not count",
    "A gate takes the decisions of those it names, one of each person, and not of who started the "
    "run unless it says `self`.",
    '"a release" {\n  run release\n  answer go approve by "me@example.com"\n  expect run failed\n}',
    _GOOD,
)
NO_FAULT = _code(
    "RF384",
    "a fault that cannot happen",
    "Attempts count from 1 to the number that the node's `retry` allows. Gates and groups have no "
    "attempts; only a node with an effect can fail `halfway`.",
    '"a release" {\n  run release\n  fail web on attempt 2\n  expect run failed\n}',
    _GOOD,
)
NO_TIME = _code(
    "RF385",
    "a time that cannot be read",
    "The run of a test starts at a date and a time of day, in UTC or in the zone behind it: "
    "`2030-03-15 17:30 Europe/Berlin`.",
    '"a release" {\n  run release at "tomorrow"\n  expect run failed\n}',
    _GOOD.replace("run release {", 'run release at "2030-03-15 17:30 Europe/Berlin" {'),
)
