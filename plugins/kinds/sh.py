"""`sh`: a script of the flow's own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from rflow.plugins import Context, Doc, Json, Node, NodeError, Program, TakesSecret, Trusted

SHELL = ["/bin/sh", "-eu"]
_TAKES_TEXT = ("sh", "bash", "dash", "ksh", "zsh")
_LONGEST_ARGUMENT = 30_000  # in characters; Linux takes 131,071 bytes
_OURS = os.urandom(8).hex()
_numbers = count(1)
_LARGEST = 1_000_000


@dataclass(frozen=True)
class Sh(Node, kind="sh", effect="script", needs_contract=True, declares_outputs=True, early=True):
    """Run a shell script.

    References in the script are data: each value arrives through the environment, quoted for the
    place where it stands. The script puts out the values that the node declares by writing lines
    `name=value`, or one JSON object, to the file `$RFLOW_OUTPUT`.
    """

    script: Annotated[str, Program, TakesSecret, Doc("The script.")]
    shell: Annotated[
        list[str],
        Trusted,
        Doc("The program that runs it, with its options; the script's file is added."),
    ] = field(default_factory=lambda: list(SHELL))
    cwd: Annotated[
        str | None,
        Trusted,
        Doc("The folder it runs in; the flow file's own unless said otherwise."),
    ] = None
    env: Annotated[
        dict[str, str], TakesSecret, Doc("Variables of its environment, beside the usual few.")
    ] = field(default_factory=dict)

    def run(self, ctx: Context) -> dict[str, Json]:
        # A name of its own, in every life of a run: what an earlier script left running may still
        # write to an earlier one.
        output = f"{ctx.scratch}/output-{_OURS}-{next(_numbers)}"
        run_script(ctx, self.script, self.shell, self.cwd, self.env, output=output)
        return read_outputs(ctx, output)


def run_script(
    ctx: Context,
    script: str,
    shell: list[str],
    cwd: str | None,
    env: dict[str, str],
    *,
    name: str = "script",
    output: str | None = None,
    capture: bool = False,
) -> str:
    """Runs a script of the flow and gives what it printed, if that is captured. NodeError if it
    does not end with 0."""
    if not shell:
        raise NodeError("`shell` is empty: it names the program that runs the script", retry=False)
    folder = ctx.directory / cwd if cwd else ctx.directory
    for key, value in env.items():
        if not key or "=" in key or "\0" in key or "\0" in value:
            raise NodeError(f"{key!r} cannot be a variable of the environment", retry=False)
    if "\0" in script:
        raise NodeError(f"the {name} holds a NUL character", retry=False)
    environment = {**ctx.environment(), **env}
    if output is not None:
        environment["RFLOW_OUTPUT"] = output
    words = [*shell, *_program(ctx, script, shell[0], name)]
    done = ctx.process(words, cwd=folder, env=environment, capture=capture)
    if done.returncode < 0:
        raise NodeError(f"the {name} was ended by the signal {-done.returncode}")
    if done.returncode:
        raise NodeError(f"the {name} ended with status {done.returncode}")
    return done.stdout


def _program(ctx: Context, script: str, shell: str, name: str) -> list[str]:
    """The script as the shell's last arguments: as text where that is known to work, since it
    spares a file, else the name of a file."""
    if os.path.basename(shell) in _TAKES_TEXT and len(script) < _LONGEST_ARGUMENT:
        return ["-c", script]
    path = ctx.scratch / f"{name}.sh"
    path.write_text(script, encoding="utf-8")
    path.chmod(0o600)
    return [str(path)]


def read_outputs(ctx: Context, path: str) -> dict[str, Json]:
    """What a script wrote to its output file: one JSON object, or lines `name=value`."""
    if not os.path.exists(path):
        return {}
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise NodeError(f"the script's outputs cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise NodeError("the script put out more than a million bytes", retry=False)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise NodeError("the script's outputs are not text in UTF-8", retry=False) from None
    if text.lstrip().startswith("{"):
        return _json_object(text)
    found: dict[str, Json] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise NodeError(f"line {number} of the script's outputs has no `=`", retry=False)
        found[name.strip()] = ctx.read_output(name.strip(), value)
    return found


def _json_object(text: str) -> dict[str, Json]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise NodeError("what the script put out begins with `{` and is no JSON", False) from None
    return dict(found)
