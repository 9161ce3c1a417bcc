"""`rflow hook install`: a git repository that tells a server of its pushes."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import click
from rflow.cli.cells import clean
from rflow.cli.command import Family, command, note, say
from rflow.cli.failure import Failure
from rflow.cli.server_address import address_of_server, url_option
from rflow.cli.target import as_option, open_stored, person, state_option

EXAMPLE = """
rflow hook install /srv/git/shop.git
rflow hook install /srv/git/shop.git --url https://rflow.example.com
"""
MARK = "# written by `rflow hook install`"
TOKEN_FILE = "rflow-hook-token"  # noqa: S105
KEPT = "post-receive.before-rflow"
TAKES_PUSHES = ("updateInstead", "warn", "ignore", "false")
"""What `receive.denyCurrentBranch` says where the branch that is checked out may be pushed to."""

# The lines that git gives are sent as they are. A server that does not answer is told to whoever
# pushes, and holds up no push: what it missed is seen by polling, or at the next push.
SCRIPT = r"""#!/bin/sh
{mark}
hooks=$(cd "$(dirname "$0")" && pwd)
lines=$(cat; echo x)
lines=${{lines%x}}
status=0
if [ -x "$hooks/{kept}" ]; then
  printf '%s' "$lines" | "$hooks/{kept}" "$@" || status=$?
fi
id=$(printf '%s %s' "$(date +%s%N)" "$lines" | git hash-object --stdin)
if ! printf '%s' "$lines" | curl -sS --fail --max-time 20 --retry 3 --retry-connrefused \
    -K "$hooks/{token}" -H "X-Rflow-Delivery: $id" -H "Content-Type: text/plain" \
    --data-binary @- -o /dev/null {url}; then
  echo "rflow: the server could not be told of this push; after a 401, install the hook anew" >&2
fi
exit $status
"""


@click.group("hook", cls=Family, example=EXAMPLE)
@click.pass_context
def hook(ctx: click.Context) -> None:
    """Let a plain git repository tell a server of its pushes."""
    if ctx.invoked_subcommand is None:
        raise Failure("what of hooks?", help="`rflow hook install REPO`")


@command("install", example=EXAMPLE)
@click.argument("repo", default=".")
@url_option
@as_option
@state_option
def install(repo: str, url: str | None, by: str | None, state: str | None) -> int:
    """Write a `post-receive` hook that tells the server of what is pushed to REPO.

    REPO is the repository that others push to, not the one they push from: mostly a bare one. A
    hook that is there already is kept and still called. The hook has a token of its own, in a
    file that only its owner can read; it speaks for this repository alone. Installed again, it
    gets another token.
    """
    from rflow.runner.secrets import Key
    from rflow.server import audit, webhooks
    from rflow.server.events import repository_key
    from rflow.server.tokens import Principal

    place, hooks = _told_of_pushes(repo)
    with open_stored(state, Path.cwd() / "flow.rflow") as (service, store):
        known = address_of_server(url, service)
        key = repository_key(str(place))
        who = Principal(person(by), "admin", "", "command line")
        with audit.change(store, who, "hook.install", key):
            before = [one.id for one in webhooks.listed(store, key) if one.revoked_at is None]
            made = webhooks.create(
                store, Key(service.state.key), "repository", key, by=who.name, rate=10_000
            )
            _write(hooks, f"{known.url}/hooks/plain", made.token)
            for id in before:
                webhooks.revoke(store, id)
    say(f"{clean(str(place))} tells {clean(known.url)} of what is pushed to it")
    if known.note:
        note(f"  {known.note}")
    note(f"  written: {clean(str(hooks / 'post-receive'))}")
    if shutil.which("curl") is None:
        note("  the hook needs `curl`, which is not installed here")
    note(f'  a flow listens to it with `repo = "{clean(str(place))}"`')
    return 0


hook.add_command(install)


def _told_of_pushes(repo: str) -> tuple[Path, Path]:
    """The repository's folder and that of its hooks. Failure where git would never call one."""
    from rflow.server.mirror import GitError, git

    def asked(*words: str) -> str:
        said = git(*words, folder=Path(repo))
        return said.decode("utf-8", "surrogateescape").rstrip("\n")

    def told(*words: str) -> str:
        try:
            return asked(*words)
        except GitError:
            return ""

    try:
        kept = asked("rev-parse", "--path-format=absolute", "--git-common-dir")
    except GitError as error:
        if "dubious ownership" in str(error):
            raise Failure(
                f"git does not use `{clean(repo)}`: it belongs to another user",
                help="install the hook as that user, or allow it: "
                f"`git config --global --add safe.directory {clean(str(Path(repo).resolve()))}`",
            ) from None
        raise Failure(
            f"there is no git repository at `{clean(repo)}`", help="name its folder"
        ) from None
    for scope in ("--local", "--global"):
        if elsewhere := told("config", scope, "--get", "core.hooksPath"):
            raise Failure(
                f"git calls the hooks in `{clean(elsewhere)}` there, and would not call this one",
                help=f"`core.hooksPath` says so: `git -C {repo} config {scope} --unset "
                "core.hooksPath`, or let the server look by itself, with `poll`",
            )
    if told("rev-parse", "--is-bare-repository") == "true":
        return Path(kept), Path(kept) / "hooks"
    if told("config", "--get", "receive.denyCurrentBranch") not in TAKES_PUSHES:
        raise _never_called(repo, told("remote", "get-url", "origin"))
    return Path(told("rev-parse", "--show-toplevel") or kept), Path(kept) / "hooks"


def _never_called(repo: str, origin: str) -> Failure:
    pushed_to = f" (`{clean(origin)}`)" if origin and "://" not in origin else ""
    return Failure(
        f"`{clean(repo)}` has a working tree: git refuses pushes to the branch that is checked out"
        " there, and calls no hook when one pushes from it",
        help=f"install it in the repository that is pushed to{pushed_to}, or let the server look"
        " by itself, with `poll`; if others do push to this one, first say so:"
        f" `git -C {clean(repo)} config receive.denyCurrentBranch updateInstead`",
    )


def _write(hooks: Path, url: str, token: str) -> None:
    """Write the hook and its token; a hook of somebody else's is moved aside, once."""
    hooks.mkdir(exist_ok=True)
    path, kept = hooks / "post-receive", hooks / KEPT
    if path.exists() and MARK not in path.read_text("utf-8", "replace"):
        if kept.exists():
            raise Failure(
                f"both `{path}` and `{kept}` are there", help="join them into one of the two"
            )
        path.rename(kept)
    line = f'header = "Authorization: Bearer {token}"\n'
    _put(hooks / TOKEN_FILE, line, 0o600)
    script = SCRIPT.format(mark=MARK, kept=KEPT, token=TOKEN_FILE, url=shlex.quote(url))
    _put(path, script, 0o755)


def _put(path: Path, text: str, mode: int) -> None:
    aside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(aside, mode)
    os.replace(aside, path)
