"""`rflow completion`: what a shell needs to complete rflow's commands."""

from __future__ import annotations

import sys

import click
from rflow.cli.command import command
from rflow.cli.failure import Failure

EXAMPLE = """
rflow completion bash >> ~/.bashrc
rflow completion zsh >> ~/.zshrc
rflow completion fish > ~/.config/fish/completions/rflow.fish
"""


@command("completion", example=EXAMPLE)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print the script that lets a shell complete rflow's commands, options and flows."""
    from click.shell_completion import get_completion_class
    from rflow.cli.main import COMPLETE_VARIABLE

    root = click.get_current_context().find_root().command
    made = get_completion_class(shell)
    if made is None:
        raise Failure(f"there is no completion for `{shell}`")
    # Bash's class asks the installed bash for its version when it prints the script.
    script = made(root, {}, "rflow", COMPLETE_VARIABLE)
    sys.stdout.write(script.source_template % script.source_vars())
    return 0
