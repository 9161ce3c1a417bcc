"""What real shells make of placed scripts: every value arrives, and nothing else happens."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rflow.compiler.shell import Placed, place, variable
from shell_scripts import Scripts

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


def same_whatever_the_values(shell: str, top: Path, seed: int) -> bool:
    """Harmless words and attacks must give the same but for the values themselves; whether the
    script was one that quoting accepts."""
    random = Random(seed)
    placed = place(Scripts(random).script())
    if not isinstance(placed, Placed):
        return False
    tame = {1: "word1qz", 2: "word2qz"}
    evil = {n: "zz" + "".join(random.choices(ATTACKS, k=random.randint(1, 3))) for n in tame}
    expected = output(shell, top, placed, tame)
    if expected is None or expected != output(shell, top, placed, tame):
        return False  # it does not end, or shows the number of a process
    for index in tame:
        expected = expected.replace(tame[index].encode(), evil[index].encode())
    assert output(shell, top, placed, evil) == expected, (seed, placed.text, evil)
    return True


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_does_the_same_whatever_the_values(shell: str, place_to_run: Path) -> None:
    accepted = sum(same_whatever_the_values(shell, place_to_run, seed) for seed in range(200))
    assert accepted > 80


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_many_scripts_do_the_same_whatever_the_values(shell: str, place_to_run: Path) -> None:
    for seed in range(1_000, 2_000):
        same_whatever_the_values(shell, place_to_run, seed)
