"""References in scripts: where they stand, how they are quoted there, where they are refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.compiler.shell import Placed, ShellProblem, known_shell, place, place_all
from shell_scripts import STRAY


def script(text: str) -> list[str | int]:
    """The parts of a script in which `@1` to `@9` are references."""
    pieces = re.split(r"@([1-9])", text)
    return [int(piece) if at % 2 else piece for at, piece in enumerate(pieces)]


R = "${RFLOW_REF_1}"
B = f'"{R}"'


@pytest.mark.parametrize(
    ("written", "placed"),
    [
        ("echo @1", f"echo {B}"),
        ("echo a@1b", f"echo a{B}b"),
        ('echo "a @1 b"', f'echo "a {R} b"'),
        ("echo 'a @1 b'", f"echo 'a '{B}' b'"),
        ("echo # it's @1\necho @1", f"echo # it's {R}\necho {B}"),
        ("x=@1 cmd", f"x={B} cmd"),
        ("export x=@1", f"export x={B}"),
        ("cat <<E\n@1 'x\nE\necho @1", f"cat <<E\n{R} 'x\nE\necho {B}"),
        ("cat <<-E\n\t@1\n\tE\necho @1", f"cat <<-E\n\t{R}\n\tE\necho {B}"),
        ("cat <<'E'\nit's\nE\necho @1", f"cat <<'E'\nit's\nE\necho {B}"),
        ("cat <<A <<B\n@1\nA\n'@1\nB\necho @1", f"cat <<A <<B\n{R}\nA\n'{R}\nB\necho {B}"),
        ("case @1 in @1) echo @1;; esac", f"case {B} in {B}) echo {B};; esac"),
        ("echo $(case x in x) echo ')';; esac) @1", f"echo $(case x in x) echo ')';; esac) {B}"),
        ("echo `echo \\`echo\\`` @1", f"echo `echo \\`echo\\`` {B}"),
        ('echo "$(echo "a)" \'b)\')" @1', f'echo "$(echo "a)" \'b)\')" {B}'),
        ('echo "${x:-"}"}" @1', f'echo "${{x:-"}}"}}" {B}'),
        ("echo ${x:-'}'} @1", f"echo ${{x:-'}}'}} {B}"),
        ("echo $((1 << 2)) @1", f"echo $((1 << 2)) {B}"),
        ("for x in @1 b; do echo @1; done", f"for x in {B} b; do echo {B}; done"),
        ("f() { echo @1; }; (echo @1)", f"f() {{ echo {B}; }}; (echo {B})"),
        ("echo a\\\n@1", f"echo a\\\n{B}"),
        ("cmd > @1 2>@1 <@1", f"cmd > {B} 2>{B} <{B}"),
        ("echo x#@1", f"echo x#{B}"),
        ('[[ "@1" == b* && -f @1 ]] || echo @1', f'[[ "{R}" == b* && -f {B} ]] || echo {B}'),
        ("a=(@1 'b') ; echo @1", f"a=({B} 'b') ; echo {B}"),
        ("@1 --help", f"{B} --help"),
        ('echo "$$@1" $?@1', f'echo "$${R}" $?{B}'),
        ("echo '\\@1'", f"echo '\\'{B}''"),
        (
            "if true; then case a in (a|b) echo @1; esac fi",
            f"if true; then case a in (a|b) echo {B}; esac fi",
        ),
        ("cat <<E; echo @1\nx\nE\necho '@1'", f"cat <<E; echo {B}\nx\nE\necho ''{B}''"),
    ],
)
def test_a_reference_is_quoted_for_its_place(written: str, placed: str) -> None:
    assert place(script(written)) == Placed(placed)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("echo $(echo @1)", "inside `$(…)`"),
        ('echo "$(echo @1)"', "inside `$(…)`"),
        ("echo `echo @1`", "inside backticks"),
        ("echo $((1 + @1))", "arithmetic"),
        ("((x = @1))", "arithmetic"),
        ("for ((i = 0; i < @1; i++)); do :; done", "arithmetic"),
        ("echo ${x:-@1}", "inside `${…}`"),
        ('echo "${x:-@1}"', "inside `${…}`"),
        ("cat <<'E'\n@1\nE", "quoted delimiter"),
        ("cat <<@1\nE", "the delimiter of a here-document"),
        ("cat <<E\n$(echo @1)\nE", "inside `$(…)`"),
        ("cat <<E\n\\@1\nE", "behind a backslash"),
        ("echo \\@1", "behind a backslash"),
        ('echo "\\@1"', "behind a backslash"),
        ("echo $@1", "behind a `$`"),
        ('echo "$@1"', "behind a `$`"),
        ("echo $'a@1'", "inside `$'…'`"),
        ("echo $'it\\'s' @1", "where shells differ"),
        ("@1() { :; }", "name of a function"),
        ("function @1 { :; }", "name of a function"),
        ("for @1 in a; do :; done", "name of a variable"),
        ("export @1=x", "name of a variable"),
        ("read @1", "name of a variable"),
        ("unset @1", "name of a variable"),
        ("let @1", "name of a variable"),
        ("printf -v @1 x", "name of a variable"),
        ("[ -v @1 ]", "name of a variable"),
        ("a[@1]=x", "subscript"),
        ("a=([@1]=x)", "subscript"),
        ("PS4=@1", "variable that the shell evaluates"),
        ("export BASH_ENV=@1", "variable that the shell evaluates"),
        ("declare -i n; n=@1", "declares integers"),
        ("declare -a x=@1", "declares integers"),
        ("[[ @1 -eq 1 ]]", "operator that evaluates it"),
        ("[[ -v @1 ]]", "operator that evaluates it"),
        ("echo >&@1", "which stream"),
        ("diff <(echo @1) x", "inside `<(…)`"),
        ("echo @(@1|b)", "inside a pattern"),
        ("alias x=y\necho @1", "`alias`"),
        ('echo "${x:-\'}" @1', "quotes inside `${…}`"),
    ],
)
def test_a_reference_that_cannot_be_data_is_refused(written: str, reason: str) -> None:
    found = place(script(written))
    assert isinstance(found, ShellProblem), found
    assert reason in found.reason
    assert found.index == 1
    assert found.advice


def test_every_problem_is_reported() -> None:
    found = place_all(script("echo $(@1) @2 `@3`"))
    assert isinstance(found, list)
    assert [problem.index for problem in found] == [1, 3]


@pytest.mark.parametrize(
    ("written", "evaluated"),
    [
        ('eval "echo @1"', (1,)),
        ('ssh host "cd @1" @2', (1, 2)),
        ("ssh -p 22 -i @1 @2 uptime", ()),
        ("ssh -tt -o X=y @1 @2", (2,)),
        ("su @1 -c @2", (2,)),
        ("su - @1 <<E\n@2\nE", (2,)),
        ("sudo sh -ec 'echo @1'", (1,)),
        ("docker exec c sh -c 'echo @1'", (1,)),
        ("trap 'rm @1' EXIT", (1,)),
        ("ssh host <<E\ncd @1\nE\necho @2", (1,)),
        ("bash <<E @2\ncd @1\nE", (1,)),
        ("cat <<E | tr a b\n@1\nE", ()),
        ("echo eval @1", ()),
        ("sh @1", ()),
    ],
)
def test_commands_that_evaluate_are_named(written: str, evaluated: tuple[int, ...]) -> None:
    found = place(script(written))
    assert isinstance(found, Placed)
    assert found.evaluated == evaluated


def test_a_script_without_references_is_left_alone() -> None:
    assert place(["echo $(( ' \0"]) == Placed("echo $(( ' \0")
    assert place([]) == Placed("")


def test_the_shells_that_are_known() -> None:
    assert known_shell("/bin/sh -eu")
    assert known_shell("bash")
    assert not known_shell("zsh")
    assert not known_shell("/usr/bin/python3")
    assert not known_shell("")


@given(st.lists(st.sampled_from([*STRAY, "a", "(", ")", 1, 2]), max_size=20))
def test_every_text_has_an_answer(parts: list[str | int]) -> None:
    found = place_all(parts)
    given = [part for part in parts if isinstance(part, int)]
    if isinstance(found, Placed):
        assert len(re.findall(r"\$\{RFLOW_REF_[12]\}", found.text)) == len(given)
        rest = re.sub(r"""'?"?\$\{RFLOW_REF_.\}"?'?""", "", found.text)
        assert len(rest) <= sum(len(part) for part in parts if isinstance(part, str))
    else:
        assert found
        assert {problem.index for problem in found} <= set(given)


@pytest.mark.parametrize("opening", ["$(", "(", "${x:-", '"$(', "`", "((", "case a in a) ", "{ "])
def test_depth_and_length_are_no_danger(opening: str) -> None:
    assert place([opening * 20_000, 1]) is not None


def test_many_references_in_one_command_are_no_danger() -> None:
    parts = [part for _ in range(20_000) for part in (" ", 1)]
    assert isinstance(place(["echo", *parts]), Placed)


def test_a_long_script_is_placed() -> None:
    text = "echo 'a' \"b\" c <<E\n'x\nE\n" * 10_000
    assert place([text, 1]) == Placed(text + B)
