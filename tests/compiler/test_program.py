"""Files together: imports, clashes, syntax errors beside other mistakes, many mistakes at once."""

from __future__ import annotations

import gc

import pytest
from fixed_kinds import check_text, codes, delays, plan_text
from rflow.compiler.program import Checked

NODE = 'node a: sh { script = "x"  pure }'


def _messages(checked: Checked) -> list[str]:
    return [f"{d.code.id} {d.message}" for d in checked.diagnostics]


def test_flows_stages_and_people_come_from_imports() -> None:
    files = {
        "flows.rflow": f"rflow 1\nflow build {{ {NODE} }}\n",
        "stages.rflow": 'rflow 1\nimport "people.rflow"\n'
        "pipeline shop { stage production { rollback by two count 1 } }\n",
        "people.rflow": 'rflow 1\ngroup two { members = ["a@example.com", "b@example.com"] }\n',
    }

    checked = check_text(
        'rflow 1\nimport "flows.rflow"\nimport "stages.rflow"\n'
        "flow release for shop.production { use build as b { }  approve go { by two } }",
        files,
    )

    assert checked.diagnostics == []
    assert checked.flows == ("release",)
    plan = checked.plan("release", delays)
    assert [node.id for node in plan.nodes] == ["b.a", "go"]
    assert [source.path for source in plan.sources] == [
        "release.rflow",
        "flows.rflow",
        "stages.rflow",
        "people.rflow",
    ]


def test_imports_in_a_circle_and_twice_are_harmless() -> None:
    files = {
        "one.rflow": f'rflow 1\nimport "two.rflow"\nflow one {{ {NODE} }}\n',
        "two.rflow": f'rflow 1\nimport "one.rflow"\nflow two {{ {NODE} }}\n',
    }

    checked = check_text(
        'rflow 1\nimport "one.rflow"\nimport "two.rflow"\nimport "one.rflow"\n'
        "flow release { use one as a { }  use two as b { } }",
        files,
    )

    assert checked.diagnostics == []


def test_two_files_must_not_declare_the_same_name() -> None:
    checked = check_text(
        f'rflow 1\nimport "one.rflow"\nflow build {{ {NODE} }}',
        {"one.rflow": f"rflow 1\nflow build {{ {NODE} }}\n"},
    )

    assert codes(checked) == ["RF214"]
    (found,) = checked.diagnostics
    assert found.primary.source.name == "one.rflow"
    assert found.labels[0].source.name == "release.rflow"


def test_a_missing_import_is_one_mistake() -> None:
    checked = check_text(
        'rflow 1\nimport "none.rflow"\n'
        "flow release for shop.production { use build as b { }  approve go { by two } }"
    )

    assert _messages(checked) == ["RF220 there is no file `none.rflow`"]


def test_mistakes_of_an_imported_file_are_reported_in_it() -> None:
    checked = check_text(
        f'rflow 1\nimport "one.rflow"\nflow release {{ {NODE} }}',
        {"one.rflow": "rflow 1\nflow build { node a: shh { } }\n"},
    )

    assert [(d.code.id, d.primary.source.name) for d in checked.diagnostics] == [
        ("RF201", "one.rflow")
    ]


def test_beside_a_syntax_error_other_mistakes_are_found_and_none_is_made_up() -> None:
    checked = check_text(
        """rflow 1
flow release {
  arg good: int = 1
  arg broken = = 3
  node one: sh { script = "echo $<args.broken>"  pure }
  node two: sh { script = "echo $<args.god>"  pure }
  node three: sh { script  }
  node four: sh after three { script = "x"  pure }
  node five: shh { }
}
"""
    )

    found = codes(checked)
    assert [code for code in found if code[2] != "1"] == ["RF204", "RF201"]
    assert sum(code[2] == "1" for code in found) == 2


def test_all_mistakes_of_a_file_in_one_run_sorted() -> None:
    text = "rflow 1\nflow release {\n" + "".join(
        f"  node n{n}: shh after n{n + 1}x {{ }}\n" for n in range(50)
    )

    checked = check_text(text + "}\n")

    assert len(checked.diagnostics) == 100
    assert [d.order for d in checked.diagnostics] == sorted(d.order for d in checked.diagnostics)


def test_a_program_with_errors_has_no_plan() -> None:
    checked = check_text("rflow 1\nflow release { node a: shh { } }")

    with pytest.raises(ValueError, match="errors"):
        checked.plan("release", delays)


def test_the_collector_of_garbage_is_left_as_it_was() -> None:
    assert gc.isenabled()
    check_text(f"rflow 1\nflow release {{ {NODE} }}")
    assert gc.isenabled()


def test_deep_chains_of_uses_lets_and_references_do_not_recurse() -> None:
    flows = "".join(f"flow f{n} {{ use f{n + 1} as u {{ }} }}\n" for n in range(1500))
    text = f"rflow 1\nflow release {{ use f0 as u {{ }} }}\n{flows}flow f1500 {{ {NODE} }}\n"
    plan = plan_text(text)
    assert len(plan.nodes) == 1

    lets = "".join(f"  let l{n} = $<let.l{n + 1}>\n" for n in range(3000))
    assert check_text(f"rflow 1\nflow f {{\n{lets}  let l3000 = 1\n}}").diagnostics == []

    nodes = "".join(
        f'  node n{n}: sh after n{n + 1} {{ script = "x"  pure }}\n' for n in range(5000)
    )
    last = '  node n5000: sh { script = "x"  pure }\n'
    assert check_text(f"rflow 1\nflow f {{\n{nodes}{last}}}").diagnostics == []


def test_a_circle_of_thousands_is_one_message() -> None:
    nodes = "".join(
        f'  node n{n}: sh after n{(n + 1) % 3000} {{ script = "x"  pure }}\n' for n in range(3000)
    )

    checked = check_text(f"rflow 1\nflow f {{\n{nodes}}}")

    assert codes(checked) == ["RF401"]


def test_a_flow_that_becomes_too_large_is_a_mistake_not_a_wait() -> None:
    flows = "".join(
        f"flow f{n} {{ " + " ".join(f"use f{n + 1} as u{u} {{ }}" for u in range(10)) + " }\n"
        for n in range(7)
    )

    checked = check_text(f"rflow 1\n{flows}flow f7 {{ {NODE} }}\n")

    assert codes(checked) == ["RF409"]


def test_coverage_counts_effects_through_uses() -> None:
    checked = check_text(
        """
flow release {
  use part as one { }
  use part as two { }
  approve go { }
  node pure: sh { script = "x"  pure }
}
flow part {
  node a: sh { script = "x" }
  node b: sh { script = "x"  keep "y" }
  node c: service.restart { unit = "x"  undo service.restart { unit = "x" } }
}
"""
    )

    found = checked.coverage("release")
    assert (found.nodes, found.gates, found.effects, found.keep, found.undo) == (7, 1, 6, 2, 2)
    assert found.open == ("one.a", "two.a")


def test_after_a_thousand_mistakes_no_more_are_looked_for() -> None:
    nodes = "".join(
        f'  node name{n}: sh after nam{n} {{ script = "$<refs.nme{n}.v>"  pure }}\n'
        for n in range(2000)
    )

    checked = check_text(f"rflow 1\nflow f {{\n{nodes}}}")

    assert not checked.ok
    assert len(checked.diagnostics) == 1001
    assert [d.code.id for d in checked.diagnostics].count("RF137") == 1
    assert checked.flows == ("f",)


def test_not_all_unknown_names_are_compared_with_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rflow.compiler.checks.report.COMPARISONS_MAX", 20_000)
    nodes = "".join(
        f'  node name{n}: sh after nam{n} {{ script = "x"  pure }}\n' for n in range(400)
    )

    checked = check_text(f"rflow 1\nflow f {{\n{nodes}}}")

    assert len(checked.diagnostics) == 400
    assert 0 < sum(d.suggestion is not None for d in checked.diagnostics) < 400
