"""What a plan holds: edges, loops, uses, retries, contracts, approvals, bindings."""

from __future__ import annotations

import pytest
from fixed_kinds import plan_text
from rflow.compiler.expr import Apply, Format, Get, Literal
from rflow.compiler.plan import Node, Plan, Retry


def _edges(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {node.id: node.after for node in plan.nodes}


def test_three_nodes_with_an_after_and_a_reference() -> None:
    plan = plan_text(
        """
flow release {
  node one: sh { script = "make"  output version: string  pure }
  node two: sh after one { script = "make test"  pure }
  node three: sh { script = "echo $<refs.one.version>"  pure }
}
"""
    )

    assert _edges(plan) == {"one": (), "two": ("one",), "three": ("one",)}
    three = plan.node("three")
    assert three.inputs == {"script": Literal('echo "${RFLOW_REF_1}"')}
    assert three.program == {"script": (("RFLOW_REF_1", Get("node", ("one", "version"))),)}
    assert plan.node("one").outputs == {"version": "string"}
    assert plan.kinds == {"sh": ""}


def test_in_a_sequence_the_next_follows_the_exits_of_the_one_before() -> None:
    plan = plan_text(
        """
flow release {
  node first: sh { script = "x"  pure }
  sequence all after first {
    parallel build {
      node a: sh { script = "x"  pure }
      node b: sh { script = "x"  pure }
    }
    node test: sh { script = "x"  pure }
    sequence tell {
      node c: sh { script = "x"  pure }
      node d: sh { script = "x"  pure }
    }
  }
  node last: sh after all { script = "x"  pure }
}
"""
    )

    assert _edges(plan) == {
        "first": (),
        "a": ("first",),
        "b": ("first",),
        "test": ("a", "b"),
        "c": ("test",),
        "d": ("c",),
        "last": ("d",),
    }
    assert [(g.id, g.parent, g.order) for g in plan.groups] == [
        ("all", None, "sequence"),
        ("build", "all", "parallel"),
        ("tell", "all", "sequence"),
    ]
    assert plan.node("a").group == "build"


@pytest.mark.parametrize(("width", "joined"), [(2, False), (4, True)])
def test_wide_groups_one_after_the_other_are_joined(width: int, joined: bool) -> None:
    def nodes(letter: str) -> str:
        each = (f'node {letter}{n}: sh {{ script = "x"  pure }}' for n in range(width))
        return "\n".join(each)

    plan = plan_text(
        f"flow release {{ sequence s {{ parallel a {{ {nodes('a')} }} parallel b "
        f"{{ {nodes('b')} }} }} }}"
    )

    joins = [node for node in plan.nodes if node.kind == "join"]
    assert len(joins) == int(joined)
    edges = sum(len(node.after) for node in plan.nodes)
    assert edges == (2 * width if joined else width * width)
    if joined:
        assert joins[0].after == tuple(f"a{n}" for n in range(width))
        assert plan.node("b0").after == (joins[0].id,)


def test_what_comes_behind_a_loop_also_waits_for_what_is_before_it() -> None:
    plan = plan_text(
        """
flow release {
  arg sites: list(string) = []
  approve go { }
  node some: sh after go { each site in $<args.sites>  script = "x"  pure }
  node sure: sh after go { each site in ["eu"]  script = "x"  pure }
  node last: sh after some, sure { script = "x"  pure }
}
"""
    )

    assert plan.node("last").after == ("go", "some", "sure")
    assert [(loop.id, loop.name, loop.at_most) for loop in plan.loops] == [
        ("some", "site", None),
        ("sure", "site", None),
    ]


USES = """
flow release {
  arg host: string = "a"
  node build: sh { script = "x"  output v: string  pure }
  parallel all {
    each region in ["eu", "us"]
    when $<args.host> != ""
    use smoke as check after build {
      url = "$<each.region>.$<args.host>"
      when $<refs.build.v> != ""
    }
  }
  node last: sh { script = "echo $<refs.check.plain | length>"  pure }
  use smoke as again { url = "x" }
  node tell: sh { script = "echo $<refs.again.answer>"  pure }
  node sure: sh { when $<refs.again.ran>  script = "x"  pure }
}
flow smoke {
  arg url: string
  arg expect: int = 200
  secret token from env "TOKEN"
  let full = "https://$<args.url>/$<run.id>"
  timeout 20s
  retry 5 every 2s
  node ping: http.check {
    url = $<let.full>
    expect = $<args.expect>
    headers = { Authorization = $<secrets.token> }
  }
  use inner as deep after ping { }
  output answer = "$<refs.ping.status>"
  output plain = $<refs.ping.status>
}
flow inner { node leaf: sh { each n in [1, 2]  script = "echo $<each.n>"  pure  timeout 1m } }
"""


def test_a_used_flow_is_put_in_place() -> None:
    plan = plan_text(USES)

    assert _edges(plan) == {
        "build": (),
        "check.ping": ("build",),
        "check.deep.leaf": ("check.ping",),
        "last": ("check.deep.leaf",),
        "again.ping": (),
        "again.deep.leaf": ("again.ping",),
        "tell": ("again.deep.leaf",),
        "sure": ("again.deep.leaf",),
    }
    ping, leaf = plan.node("check.ping"), plan.node("check.deep.leaf")
    assert ping.loops == ("all",)
    assert leaf.loops == ("all", "check.deep.leaf")
    assert len(ping.whens) == 2
    assert ping.whens[1][0] == Apply("!=", (Get("node", ("build", "v")), Literal("")))
    assert ping.inputs is not None
    assert ping.inputs["url"] == Get("value", ("check.let.full",))
    assert ping.inputs["expect"] == Get("value", ("check.args.expect",))
    assert plan.values["check.args.expect"] == Literal(200)
    assert plan.values["check.args.url"] == Format(
        (Get("each", ("all",)), Literal("."), Get("arg", ("host",)))
    )
    assert plan.values["check.let.full"] == Format(
        (
            Literal("https://"),
            Get("value", ("check.args.url",)),
            Literal("/"),
            Get("run", ("id",)),
        )
    )
    assert plan.values["check.answer"] == Format((Get("node", ("check.ping", "status")),))
    assert plan.values["again.ran"] == Get("ran", ("again.ping",))
    assert [secret.name for secret in plan.secrets] == ["check.token", "again.token"]
    assert {(g.id, g.order, g.parent) for g in plan.groups} == {
        ("all", "parallel", None),
        ("check", "use", "all"),
        ("check.deep", "use", "check"),
        ("again", "use", None),
        ("again.deep", "use", "again"),
    }
    loops = {loop.id: loop.parent for loop in plan.loops}
    assert loops == {"all": None, "check.deep.leaf": "all", "again.deep.leaf": None}
    assert plan.node("sure").whens[0][0] == Get("value", ("again.ran",))
    last = plan.node("last").program
    assert last is not None
    assert "Get(root='all', path=('check.ping', 'status'))" in repr(last)


def test_retries_and_timeouts_of_a_used_flow_stay_as_written() -> None:
    plan = plan_text(USES)

    assert plan.node("check.ping").retry == Retry(5, (1.0, 2.0, 3.0, 4.0), 0.25)
    assert plan.node("check.deep.leaf").retry.attempts == 3
    assert plan.node("check.ping").timeout_s == 20
    assert plan.node("check.deep.leaf").timeout_s == 20
    assert plan.node("build").timeout_s is None


RETRIES = """
flow release {{
  {flow}
  node n: {node}
}}
"""


@pytest.mark.parametrize(
    ("flow", "node", "attempts"),
    [
        ("", 'sh { script = "x" }', 1),
        ("", 'sh { script = "x"  pure }', 3),
        ("", 'sh { script = "x"  retry 4 }', 4),
        ("", 'sh { script = "x"  pure  retry none }', 1),
        ("retry 5", 'sh { script = "x" }', 1),
        ("retry 5", 'sh { script = "x"  pure }', 5),
        ("retry 5", 'http.check { url = "x" }', 5),
        ("", 'http.check { url = "x" }', 3),
        ("retry none", 'http.check { url = "x" }', 1),
        ("", 'service.restart { unit = "x" }', 2),
        ("retry 5", 'service.restart { unit = "x" }', 2),
        ("retry 5", 'service.restart { unit = "x"  retry 7 }', 7),
    ],
)
def test_attempts_node_before_flow_before_kind_before_default(
    flow: str, node: str, attempts: int
) -> None:
    plan = plan_text(RETRIES.format(flow=flow, node=node))

    assert plan.node("n").retry.attempts == attempts


@pytest.mark.parametrize(
    ("node", "contract", "effect", "repeatable"),
    [
        ('sh { script = "x" }', "none", "script", False),
        ('sh { script = "x"  retry 2 }', "none", "script", True),
        ('sh { script = "x"  pure }', "pure", None, True),
        ('sh { script = "x"  keep "y" }', "keep", "script", False),
        ('http.check { url = "x" }', "pure", None, True),
        ('service.restart { unit = "x" }', "none", "service", False),
        ('deploy.directory { artifact = $<args.a>  target = "x" }', "self", "deployment", True),
        (
            'deploy.directory { artifact = $<args.a>  target = "x"  keep "y" }',
            "keep",
            "deployment",
            True,
        ),
        (
            'sh { script = "x"  undo service.restart { unit = "y" } }',
            "undo",
            "script",
            False,
        ),
    ],
)
def test_contracts_and_effects(
    node: str, contract: str, effect: str | None, repeatable: bool
) -> None:
    plan = plan_text(RETRIES.format(flow="arg a: artifact", node=node))

    found = plan.node("n")
    assert found.contract.type == contract
    assert (found.effect, found.repeatable) == (effect, repeatable)


def test_an_undo_has_its_inputs_and_what_its_script_reads() -> None:
    plan = plan_text(
        """
flow release {
  node a: sh {
    script = "x"
    output v: string
    undo sh { script = "drop $<done.v>"  env = { A = $<run.id> } }
  }
  node b: sh { script = "x"  undo service.restart { unit = "x" } }
}
"""
    )

    contract = plan.node("a").contract
    assert contract.kind == "sh"
    assert dict(contract.inputs)["script"] == Literal('drop "${RFLOW_REF_1}"')
    assert contract.program == (("RFLOW_REF_1", Get("done", ("v",))),)
    assert set(plan.kinds) == {"sh", "service.restart"}


def test_what_an_undo_reads_of_another_node_makes_its_node_wait() -> None:
    plan = plan_text(
        """
flow release {
  node backup: sh { script = "x"  output v: string  pure }
  node migrate: sh { script = "x"  undo sh { script = "restore $<refs.backup.v>" } }
}
"""
    )

    assert plan.node("migrate").after == ("backup",)
    assert plan.node("migrate").contract.program == (("RFLOW_REF_1", Get("node", ("backup", "v"))),)


def test_variables_of_scripts_are_numbered_through_a_node() -> None:
    from fixed_kinds import SPECS, delays
    from msgspec.structs import replace
    from rflow.compiler.program import check
    from rflow.dsl.diagnostics import Source
    from rflow.plugins.notation import parse_type
    from rflow.plugins.types import InputSpec, NodeSpec

    two = NodeSpec(
        "two",
        "",
        tuple(InputSpec(n, parse_type("string"), program="sh") for n in ("up", "down")),
    )
    specs = replace(SPECS, nodes={**SPECS.nodes, "two": two})
    text = """rflow 1
flow f {
  arg a: string
  node n: two { up = "u $<args.a>"  down = "d $<args.a>" }
}
"""

    def load(importer: Source, path: str) -> Source:
        raise AssertionError

    plan = check(Source("f.rflow", text), specs, load).plan("f", delays)

    assert plan.node("n").program == {
        "up": (("RFLOW_REF_1", Get("arg", ("a",))),),
        "down": (("RFLOW_REF_2", Get("arg", ("a",))),),
    }


PRODUCTION = """
group managers { members = ["lead@example.com", "oncall@example.com"] }
pipeline shop {
  stage staging
  stage production {
    protect
    open "Mon-Thu 09:00-16:00 Europe/Berlin"
    rollback by managers, "third@example.com" count 2
  }
}
flow release for shop.production {
  node build: sh { script = "x"  pure }
  approve go after build {
    by managers, "third@example.com"
    count 2
    within 2h else rollback
    self
  }
  parallel p after go {
    node a: sh { script = "x"  keep "y" }
    node b: sh { script = "x"  keep "y" }
  }
  node c: sh after p { script = "x"  keep "y"  lock "l-$<run.id>"  continue on failure }
  node other: sh { script = "x"  pure }
  approve later { }
  on failure rollback { node d: sh { script = "x"  pure } }
  finally { node e: sh { script = "x"  pure } }
  output v = "1"
}
"""


def test_approvals_stages_and_sections() -> None:
    plan = plan_text(PRODUCTION)

    go = plan.node("go").approval
    assert go is not None
    assert go.by == ("managers", "third@example.com")
    assert go.people == ("lead@example.com", "oncall@example.com", "third@example.com")
    assert (go.count, go.within_s, go.otherwise, go.self_ok) == (2, 7200, "rollback", True)
    assert go.slice == ("a", "b", "c")
    later = plan.node("later").approval
    assert later is not None
    assert (later.by, later.within_s, later.otherwise, later.slice) == ((), 604800, "reject", ())
    stage = plan.stage
    assert stage is not None
    assert (stage.pipeline, stage.name, stage.protected, stage.before) == (
        "shop",
        "production",
        True,
        "staging",
    )
    assert stage.open == ("Mon-Thu 09:00-16:00 Europe/Berlin",)
    assert stage.rollback_by == ("lead@example.com", "oncall@example.com", "third@example.com")
    assert stage.rollback_count == 2
    assert plan.rollback_on_failure
    assert plan.concurrency == "queue"
    assert plan.node("c").continue_on_failure
    assert plan.node("c").lock == Format((Literal("l-"), Get("run", ("id",))))
    assert [(n.id, n.section) for n in plan.nodes][-2:] == [("d", "failure"), ("e", "finally")]
    assert plan.outputs[0].type == '"1"'


def test_triggers_arguments_and_bindings() -> None:
    plan = plan_text(
        """
flow release {
  arg a: int = 3
  arg b: string?
  arg c: secret
  ## How many.
  arg d: ("x" | "y")? = "x"
  arg wait: duration = 90s
  secret repo from file "r"
  trigger hook: webhook
  trigger two: git { repo = $<secrets.repo>  branches = ["main"] }
  let tag = "shop-$<refs.trigger.sha | short>"
  node n: sh { script = "echo $<let.tag> $<args.wait>"  pure }
}
"""
    )

    assert [(a.name, a.type, a.required, a.secret) for a in plan.args] == [
        ("a", "int", False, False),
        ("b", "string?", False, False),
        ("c", "string", True, True),
        ("d", '("x" | "y")?', False, False),
        ("wait", "duration", False, False),
    ]
    assert plan.args[4].default == Literal(90)
    assert plan.args[3].doc == "How many."
    assert [(t.name, t.kind) for t in plan.triggers] == [("hook", "webhook"), ("two", "git")]
    assert plan.triggers[1].inputs["repo"] == Get("secret", ("repo",))
    assert "trigger" in repr(plan.values["let.tag"])
    assert plan.concurrency == "allow"


def test_sources_are_named_from_the_folder_of_the_flow() -> None:
    from fixed_kinds import SPECS, delays
    from rflow.compiler.program import check
    from rflow.dsl.diagnostics import Source

    texts = {
        "b.rflow": Source("flows/parts/b.rflow", "rflow 1\n"),
        "../c.rflow": Source("c.rflow", "rflow 1\n"),
    }
    entry = Source("flows/a.rflow", 'rflow 1\nimport "b.rflow"\nimport "../c.rflow"\nflow f { }\n')

    plan = check(entry, SPECS, lambda _, path: texts[path]).plan("f", delays)

    assert [source.path for source in plan.sources] == ["a.rflow", "parts/b.rflow", "../c.rflow"]


def test_a_node_has_its_place_and_its_documentation() -> None:
    text = 'rflow 1\nflow release {\n  ## Say it.\n  node a: sh { script = "x"  pure }\n}\n'

    node: Node = plan_text(text).node("a")

    assert node.doc == "Say it."
    assert text[node.place.start : node.place.end].endswith('node a: sh { script = "x"  pure }')


def test_what_a_policy_does_not_take_is_told_where_it_stands() -> None:
    from fixed_kinds import check_text
    from rflow.compiler.plan import Json
    from rflow.compiler.program import PolicyRefused

    def refuse(policy: str, inputs: dict[str, Json], attempts: int) -> tuple[tuple[float], float]:
        raise ValueError("the largest is\nsmaller")

    text = 'rflow 1\nflow release { node a: sh { script = "x"  pure  retry 3 every 5s } }'

    with pytest.raises(PolicyRefused) as raised:
        check_text(text).plan("release", refuse)

    found = raised.value.diagnostic
    assert found.message == "the policy `constant` does not take this: the largest is smaller"
    assert text[slice(*found.primary.span)] == "retry 3 every 5s"
