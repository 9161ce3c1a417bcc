"""`rflow check`, `compile`, `graph`, `fmt`, `explain`: what compiling says on a command line."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from rflow.cli import entry

from .conftest import Rflow

BAD = """\
rflow 1
flow a {
  node x: shh { script = "exit 1" }
}
"""

RELEASE = """\
rflow 1
flow release {
  node build: sh { script = "make"  pure }
  approve go_live after build { within 1h else reject }
  node ship: sh after go_live { script = "ship"  keep "a file" }
  node tell: sh after ship { script = "tell" }
}
"""


def test_what_rolling_back_means_is_counted(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "release.rflow").write_text(RELEASE)
    result = rflow("check", "release.rflow")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "ok release.rflow\n"
        "  release  3 nodes, 1 gate, 2 effects\n"
        "           rollback: 1 kept, 1 without a contract (tell)\n"
    )
    narrow = rflow("check", "release.rflow", COLUMNS="40").stdout
    assert max(map(len, narrow.splitlines())) <= 40


def test_mistakes_go_to_stderr(rflow: Rflow, tmp_path: Path, hello: Path) -> None:
    (tmp_path / "bad.rflow").write_text(BAD)
    result = rflow("check", "hello.rflow", "bad.rflow", "none.rflow")
    assert result.returncode == entry.PROBLEMS
    assert result.stdout.splitlines()[0] == "ok hello.rflow"
    assert "error[RF201]: there is no kind `shh`" in result.stderr
    assert "error[RF191]: there is no file `none.rflow`" in result.stderr
    assert "\x1b[" not in result.stderr
    assert "\x1b[" in rflow("check", "bad.rflow", "--color", "always").stderr
    assert "\x1b[" not in rflow("check", "bad.rflow", "--color", "never", FORCE_COLOR="1").stderr


def test_formats(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "bad.rflow").write_text(BAD)
    (tmp_path / "release.rflow").write_text(RELEASE)
    found = json.loads(rflow("check", "bad.rflow", "release.rflow", "--format", "json").stdout)
    assert [d["code"] for d in found["diagnostics"]] == ["RF201"]
    assert found["files"]["bad.rflow"] is None
    assert found["files"]["release.rflow"]["release"]["without_contract"] == ["tell"]
    sarif = json.loads(rflow("check", "bad.rflow", "--format", "sarif").stdout)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "RF201"
    assert rflow("check", "bad.rflow", "--format", "github").stdout.startswith(
        "::error file=bad.rflow,line=3,"
    )


def test_standard_input(rflow: Rflow) -> None:
    result = rflow("check", "-", input=BAD)
    assert result.returncode == entry.PROBLEMS
    assert "--> <stdin>:3:11" in result.stderr


def test_imports(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "main.rflow").write_text(
        'rflow 1\nimport "../shared.rflow"\nflow main { use bad as b }\n'
    )
    (tmp_path / "shared.rflow").write_text(BAD.replace("flow a", "flow bad"))
    result = rflow("check", "flows/main.rflow")
    assert "`../shared.rflow` lies outside the project" in result.stderr
    (tmp_path / ".git").mkdir()
    assert "--> shared.rflow:3:11" in rflow("check", "flows/main.rflow").stderr


HOSTILE = {
    "long": b"rflow 1\n#" + b"x" * (10 << 20),
    "nested": b"rflow 1\nflow a { let x = " + b"(" * 10_000 + b"1" + b")" * 10_000 + b" }",
    "groups": b"rflow 1\nflow a {" + b"sequence g {" * 10_000 + b"}" * 10_000 + b"}",
    "nul": b"rflow 1\n\0",
    "encoding": b"rflow 1\n\xff\xfe",
    "utf16": "rflow 1\n".encode("utf-16"),
    "empty": b"",
    "binary": bytes(range(256)) * 50,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_diagnostics(rflow: Rflow, tmp_path: Path, name: str) -> None:
    (tmp_path / "x.rflow").write_bytes(HOSTILE[name])
    result = rflow("check", "x.rflow")
    assert result.returncode in (0, entry.PROBLEMS), result.stderr
    assert "Traceback" not in result.stderr
    assert (result.returncode == 0) is (name == "long")


# -- the answer that is known already ----------------------------------------------------------

REPORT = (
    "import sys; from rflow.cli.entry import main; code = main();"
    "sys.stderr.write(f'{code} ' + ' '.join(sorted({'click', 'lark', 'networkx',"
    " 'pluggy', 'dataclasses', 'rflow.dsl', 'rflow.compiler'} & set(sys.modules))))"
)


def test_an_unchanged_file_is_not_checked_twice(
    tmp_path: Path, environment: dict[str, str], hello: Path
) -> None:
    def check() -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", REPORT, "check", "hello.rflow"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr

    first, second = check(), check()
    assert first[0] == second[0] == "ok hello.rflow\n  hello  1 node, no effects\n"
    assert "click" in first[1]
    assert second[1] == "0 "
    hello.write_text(BAD)
    broken, again = check(), check()
    assert "there is no kind `shh`" in broken[1]
    assert again[1].startswith(broken[1][: broken[1].rindex("\n1 ")])
    assert again[1].endswith("\n1 ")


# -- plans -------------------------------------------------------------------------------------


def test_a_plan_is_written_whole_or_not_at_all(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "release.rflow").write_text(RELEASE)
    result = rflow("compile", "release.rflow", "-o", "plan.json")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.startswith("sha256:")
    text = (tmp_path / "plan.json").read_bytes()
    assert json.loads(text)["flow"] == "release"
    assert rflow("compile", "release.rflow", "--format", "json").stdout.encode() == text
    (tmp_path / "release.rflow").write_text(BAD)
    assert rflow("compile", "release.rflow", "-o", "plan.json").returncode == entry.PROBLEMS
    assert (tmp_path / "plan.json").read_bytes() == text
    refused = rflow("compile", "release.rflow", "-o", "none/plan.json")
    assert refused.returncode == entry.PROBLEMS


def test_where_a_plan_cannot_be_written(rflow: Rflow, hello: Path) -> None:
    result = rflow("compile", "hello.rflow", "-o", "none/plan.json")
    assert result.returncode == entry.USAGE
    assert "`none/plan.json` cannot be written: no such file or directory" in result.stderr


def test_the_plan_for_people(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "release.rflow").write_text(RELEASE)
    text = rflow("compile", "release.rflow").stdout
    assert all(word in text for word in ("go_live", "ship", "keep", "within 1h"))
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("argv", "start"),
    [
        (["--format", "mermaid"], "flowchart"),
        (["--format", "dot"], "digraph"),
    ],
)
def test_drawings(rflow: Rflow, tmp_path: Path, argv: list[str], start: str) -> None:
    (tmp_path / "release.rflow").write_text(RELEASE)
    assert start in rflow("compile", "release.rflow", *argv).stdout
    assert rflow("graph", "release.rflow", *argv).stdout.endswith("\n")


def test_a_picture_by_its_name(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "release.rflow").write_text(RELEASE)
    assert rflow("graph", "release.rflow", "-o", "release.svg").returncode == 0
    assert ET.parse(tmp_path / "release.svg").getroot().tag.endswith("svg")


def test_several_flows_need_a_name(rflow: Rflow, tmp_path: Path) -> None:
    node = 'node x: sh { script = "true"  pure }'
    (tmp_path / "two.rflow").write_text(f"rflow 1\nflow one {{ {node} }}\nflow two {{ {node} }}\n")
    result = rflow("compile", "two.rflow")
    assert result.returncode == entry.USAGE
    assert "holds several flows: `one`, `two`" in result.stderr
    assert "did you mean `two`?" in rflow("compile", "two.rflow", "tow").stderr
    assert rflow("compile", "two.rflow", "two").returncode == 0


def test_the_schema_describes_the_plan(rflow: Rflow, hello: Path) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(rflow("schema").stdout)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(
        json.loads(rflow("compile", "hello.rflow", "--format", "json").stdout)
    )


# -- the one form ------------------------------------------------------------------------------

UGLY = 'rflow 1\n# why\nflow a {node x:sh{script="true"\npure}}\n'


def test_formatting(rflow: Rflow, tmp_path: Path) -> None:
    path = tmp_path / "a.rflow"
    path.write_text(UGLY)
    path.chmod(0o754)
    would = rflow("fmt", "--check", "a.rflow")
    assert (would.returncode, would.stdout) == (entry.PROBLEMS, "a.rflow\n")
    diff = rflow("fmt", "--diff", "a.rflow")
    assert diff.returncode == 0
    assert "-flow a {node x:sh{script=" in diff.stdout
    assert path.read_text() == UGLY
    printed = rflow("fmt", "-", input=UGLY).stdout
    assert "# why" in printed
    assert rflow("fmt", "a.rflow").stderr == "formatted a.rflow\n"
    assert path.read_text() == printed
    assert path.stat().st_mode & 0o777 == 0o754
    assert rflow("fmt", "--check", "a.rflow").returncode == 0
    assert rflow("fmt", "a.rflow").stderr == ""
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["a.rflow"]


def test_formatting_a_file_with_mistakes_leaves_it(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "a.rflow").write_text("rflow 1\nflow a {\n")
    (tmp_path / "b.rflow").write_text(UGLY)
    result = rflow("fmt", "a.rflow", "b.rflow")
    assert result.returncode == entry.PROBLEMS
    assert "error[RF1" in result.stderr
    assert (tmp_path / "a.rflow").read_text() == "rflow 1\nflow a {\n"
    assert (tmp_path / "b.rflow").read_text() != UGLY


def test_formatting_follows_links(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "a.rflow").write_text(UGLY)
    (tmp_path / "link.rflow").symlink_to("a.rflow")
    rflow("fmt", "link.rflow")
    assert (tmp_path / "link.rflow").is_symlink()
    assert (tmp_path / "a.rflow").read_text() != UGLY


# -- what rflow says of itself -----------------------------------------------------------------


def test_explaining(rflow: Rflow) -> None:
    text = rflow("explain", "rf201").stdout
    assert text.startswith("RF201  ")
    assert "Wrong:" in text
    assert "Right:" in text
    assert rflow("explain", "201").stdout == text
    unknown = rflow("explain", "RF2001")
    assert unknown.returncode == entry.USAGE
    assert unknown.stderr.startswith("error: there is no code `RF2001`\n  help: did you mean RF2")
    listed = json.loads(rflow("explain", "--list", "--format", "json").stdout)
    ids = [code["id"] for code in listed]
    assert ids == sorted(set(ids))
    assert {"RF191", "RF601", "RF901", "RF930"} <= set(ids)


def test_plugins(rflow: Rflow) -> None:
    assert rflow("plugins").stdout.startswith("rflow 0.")
    text = rflow("plugins", "show", "git.checkout").stdout
    assert text.startswith("git.checkout  node kind · rflow ")
    assert "\nInputs\n" in text
    assert "\nOutputs\n" in text
    assert rflow("plugins", "show", "slug").stdout.startswith("slug  filter · ")
    unknown = rflow("plugins", "show", "git.chekout")
    assert unknown.returncode == entry.USAGE
    assert "did you mean `git.checkout`?" in unknown.stderr
    spec = json.loads(rflow("plugins", "spec").stdout)
    assert "sh" in json.dumps(spec)


def test_version(rflow: Rflow) -> None:
    from importlib.metadata import version

    assert rflow("version").stdout.startswith(f"rflow {version('rflow')} ")
    assert rflow("--version").stdout == f"rflow {version('rflow')}\n"
    assert json.loads(rflow("version", "--format", "json").stdout)["rflow"] == version("rflow")


def test_many_nodes_without_a_contract_are_not_all_named(rflow: Rflow, tmp_path: Path) -> None:
    nodes = "\n".join(f'  node n{n}: sh {{ script = "true" }}' for n in range(10, 30))
    (tmp_path / "many.rflow").write_text(f"rflow 1\n\nflow many {{\n{nodes}\n}}\n")
    said = rflow("check", "many.rflow").stdout
    assert "n21 and 8 more)" in said
    assert "n22" not in said
    assert '"n29"' in rflow("check", "many.rflow", "--format", "json").stdout


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ('cron { schedule = "0 2 * * *"  timezone = "Europe/Berln" }', "no time zone"),
        ('cron { schedule = "0 2 * * *"  timezone = "$<let.zone | trim>" }', "no time zone"),
        ('git { repo = "."  branches = ["ma in"] }', "matches the pattern 'ma in'"),
        ('git { repo = "."  branches = ["main"]  labels = ["x"] }', "it is about pull requests"),
    ],
)
def test_what_a_trigger_does_not_take(
    rflow: Rflow, tmp_path: Path, trigger: str, message: str
) -> None:
    flow = f'  let zone = " Europe/Berln"\n  trigger one: {trigger}\n'
    node = '  node x: sh { script = "true"  pure }'
    (tmp_path / "f.rflow").write_text(f"rflow 1\n\nflow f {{\n{flow}{node}\n}}\n")
    for words in (["check"], ["compile"], ["run", "--yes"]):
        done = rflow(words[0], "f.rflow", *words[1:])
        assert done.returncode == entry.PROBLEMS
        assert done.stderr.startswith("error[RF330]: ")
        assert message in " ".join(done.stderr.split())
    assert not (tmp_path / ".rflow").exists()
