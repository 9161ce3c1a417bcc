"""What a shell offers for an argument: flows of a file, runs, nodes of a run.

Whatever goes wrong, nothing is offered and nothing is said.
"""

from __future__ import annotations

from typing import Any

import click


def flows(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The flows of the file that was named."""
    try:
        from rflow.cli.files import read_file
        from rflow.dsl import ast
        from rflow.dsl.parse import parse

        path = str(ctx.params.get("file"))
        module, _mistakes = parse(read_file(path, path, regular=True).source)
        names = (
            [d.name.text for d in module.declarations if isinstance(d, ast.Flow)] if module else []
        )
        return _fitting(names, begun)
    except Exception:
        return []


def runs(ctx: click.Context, _: click.Parameter, begun: str) -> list[Any]:
    """The latest runs, by id."""
    from click.shell_completion import CompletionItem

    try:
        found = _service(ctx).runs(limit=50)
        return [
            CompletionItem(run.run, help=f"{run.flow} {run.status}")
            for run in found
            if run.run.startswith(begun)
        ]
    except Exception:
        return []


def nodes(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The nodes of the run that was named."""
    try:
        service = _service(ctx)
        view = service.view(service.resolve(str(ctx.params.get("run") or "last")))
        return _fitting([node.id for node in view.nodes], begun)
    except Exception:
        return []


def stages(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The stages that runs were created for."""
    try:
        return _fitting(_service(ctx).journal.stages(), begun)
    except Exception:
        return []


def _service(ctx: click.Context) -> Any:
    from rflow.cli.target import open_state

    return open_state(ctx.params.get("state"))


def _fitting(names: list[str], begun: str) -> list[str]:
    return [name for name in names if name.startswith(begun)]


file_argument = click.argument("file", type=click.Path(allow_dash=True))
files_type = click.Path(allow_dash=True)
flow_argument = click.argument("flow", required=False, shell_complete=flows)
run_argument = click.argument("run", required=False, shell_complete=runs)
node_argument = click.argument("node", required=False, shell_complete=nodes)
stage_argument = click.argument("stage", required=False, shell_complete=stages)
