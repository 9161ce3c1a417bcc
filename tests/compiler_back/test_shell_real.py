"""What real shells make of placed scripts: every value arrives, and nothing else happens."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rflow.compiler.shell import Placed, place, variable

SHELLS = sorted(
    {os.path.realpath(path) for name in ("sh", "dash", "bash") if (path := shutil.which(name))}
)

# Whatever could end a quote, add a word or run a command; `canary` is a file that must not appear.
ATTACKS = [
    "$(: >canary)",
    "`: >canary`",
    "; : >canary;",
    "' ; : >canary; '",
    '" ; : >canary; "',
    "\n: >canary\n",
    "a[$(: >canary)]",
    ") ; : >canary; (",
    "}; : >canary; {",
    "\nE\n: >canary\n",
    "esac\n: >canary\n",
    "]] ; : >canary ; [[",
    "))\n: >canary\n((",
    *("*", "a b\tc", "\\", "\\\\'", "'\\''", "%s\\n", "-n", "--", "x\\", "$y", "${IFS}", "~", "#"),
    *(
        "\n",
        "\n\n",
        "\r\n",
        "é€𝄞",
        "\u0081\u0088\x01\x7f",
        "$'\\''",
        "!!",
        "&",
        "<<E",
        "[a-z]",
        "?",
    ),
]
characters = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
values = st.lists(st.sampled_from(ATTACKS) | st.text(characters, max_size=6), max_size=4).map(
    "".join
)


@pytest.fixture(scope="module")
def place_to_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the scripts to run in; beside it, all the programs that they can find: cat."""
    top = tmp_path_factory.mktemp("shell")
    (top / "bin").mkdir()
    cat = shutil.which("cat")
    assert cat is not None
    (top / "bin" / "cat").symlink_to(cat)
    (top / "work").mkdir()
    yield top
    assert not list((top / "work").iterdir())


def output(shell: str, top: Path, placed: Placed, given: Mapping[int, str]) -> bytes | None:
    """What the script writes; None if it does not come to an end."""
    environment = {"PATH": str(top / "bin"), "LC_ALL": "C.UTF-8"}
    environment |= {variable(index): value for index, value in given.items()}
    try:
        done = subprocess.run(
            [shell, "-c", placed.text],
            env=environment,
            cwd=top / "work",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
        )
    except subprocess.TimeoutExpired:
        return None
    assert not (top / "work" / "canary").exists(), placed.text
    return done.stdout


PLACES: list[tuple[str, str]] = [
    ("printf '%s\\0' @\n", "@"),
    ("printf '%s\\0' a@b@\n", "a@b@"),
    ("printf '%s\\0' \"a @'b\"\n", "a @'b"),
    ("printf '%s\\0' 'a @\"b'\n", 'a @"b'),
    ("printf '%s\\0' \"$(: '\")')@\"\n", "@"),
    ("cat <<E; printf '\\0'\na '@\" @\nE\n", "a '@\" @\n"),
    ("cat <<-E; printf '\\0'\n\t\t@\n\tE\n", "@\n"),
    ("value=@; printf '%s\\0' \"$value\"\n", "@"),
    ("export value=@; printf '%s\\0' \"$value\"\n", "@"),
    ("for x in @; do printf '%s\\0' \"$x\"; done\n", "@"),
    ("case @ in @) printf 'same\\0';; *) printf 'other\\0';; esac\n", "same"),
    ("case x@ in @) printf 'same\\0';; *) printf 'other\\0';; esac\n", "other"),
    ("f() { printf '%s\\0' \"$1\"; }; f @\n", "@"),
]


@pytest.mark.parametrize("shell", SHELLS)
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(values, min_size=1, max_size=8))
@example(ATTACKS)
@example(["", "-", "-e", "\\", "\n", "'", '"', "a'b\"c`d$e\\f\n"])
def test_every_value_arrives(shell: str, place_to_run: Path, given_values: list[str]) -> None:
    parts: list[str | int] = []
    expected: list[str] = []
    given: dict[int, str] = {}
    for value in given_values:
        for script, result in PLACES:
            index = len(given) + 1
            given[index] = value
            first, *rest = script.split("@")
            parts.append(first)
            for piece in rest:
                parts += (index, piece)
            expected.append(result.replace("@", value) if result != "other" else "other")
    placed = place(parts)
    assert isinstance(placed, Placed)
    found = output(shell, place_to_run, placed, given)
    assert found is not None
    assert found.decode().split("\0")[:-1] == expected


# -- scripts that try to confuse ---------------------------------------------------------------

COMMAND = "printf :%s: "
PIECES = [
    *(
        "'",
        '"',
        "\\",
        "\\\\",
        "$",
        "$(",
        ")",
        "((",
        "))",
        "`",
        "${y:-",
        "${y",
        "}",
        "#",
        " #",
        "\n",
    ),
    *("cat <<E", "cat <<'E'", "cat <<-E", "cat <<\\E", "\nE\n", "\n\tE\n", "\nE", "EOF", "<<E"),
    *("case a in ", " a) ", " (b) ", " *) ", ";; ", "esac", "esac ", "$'", "if true; then ", "fi"),
    *("for x in ", "; do ", "done", "{ ", "; }", "( ", " )", "[[ ", " ]]", " == ", " =~ ", "x="),
    *("z=(", "|", ";", " && ", " || ", "! ", "\\\n", "=", "*", "?", "[", "]", "~", "-", "@(", "<("),
    *("$((", "1 + 1", " in ", "function f ", "f() ", '"$y"', "$y", "%", "{a,", "}", " ", "\t", "a"),
    *("b", "E", "<<", "!(", "+(", "$[", '$"', '"${y}"', "${#y}", "${y%", "/", "z[", "]=", "local "),
    *("export x=", "x+=", "\r", "|&", ";&", "time ", "select x in", "do ", "then ", "else ", "<<-"),
]
pieces = st.one_of(
    st.just(1), st.just(2), st.just(COMMAND), st.just(f"\n{COMMAND}"), st.sampled_from(PIECES)
)
evil = st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=3).map("".join).map("zz{}".format)


@pytest.mark.parametrize("shell", SHELLS)
@settings(
    max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(pieces, max_size=12), evil, evil)
def test_a_script_does_the_same_whatever_the_values(
    shell: str, place_to_run: Path, parts: list[str | int], one: str, two: str
) -> None:
    """Harmless words and attacks must give the same but for the values themselves.

    No piece reads what it stored without quotes, waits for input or writes to a file.
    """
    placed = place([*parts, "\n", COMMAND, 1])
    if not isinstance(placed, Placed):
        return
    tame = {1: "word1qz", 2: "word2qz"}
    expected = output(shell, place_to_run, placed, tame)
    if expected is None or expected != output(shell, place_to_run, placed, tame):
        return  # it runs for ever, or shows the number of a process
    for index, value in ((1, one), (2, two)):
        expected = expected.replace(tame[index].encode(), value.encode())
    assert output(shell, place_to_run, placed, {1: one, 2: two}) == expected
