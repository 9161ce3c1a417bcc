"""`rflow init`: a first flow to start from."""

from __future__ import annotations

import os

import click
from rflow.cli.command import command, say
from rflow.cli.failure import Failure
from rflow.cli.writing import write_file

FIRST_FLOW = '''\
rflow 1

## A first flow: three nodes, one of them told what the one before found out.
flow hello {
  arg name: string = "world"

  node greet: sh {
    script = "echo Hello, $<args.name>!"
    pure
  }

  node look: sh after greet {
    script = """
      echo "system=$(uname -s)" >> "$RFLOW_OUTPUT"
    """
    output system: string
    pure
  }

  node tell: sh {
    script = "echo This is $<refs.look.system>."
    pure
  }
}
'''

EXAMPLE = """
rflow init                 write hello.rflow
rflow init release.rflow   write another file
"""


@command("init", example=EXAMPLE)
@click.argument("file", default="hello.rflow")
def init(file: str) -> int:
    """Write a first flow, to be read, run and changed. No file is overwritten."""
    if os.path.isdir(file):
        file = os.path.join(file, "hello.rflow")
    if os.path.lexists(file):
        raise Failure(f"`{file}` exists", help="name another file: `rflow init release.rflow`")
    write_file(file, FIRST_FLOW.encode())
    say(f"wrote {file}")
    say(f"  rflow check {file}   find its mistakes")
    say(f"  rflow run {file}     run it")
    return 0
