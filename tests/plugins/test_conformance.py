"""The conformance kit: rflow's own kinds pass it, and it finds what is wrong."""

from __future__ import annotations

import random
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from rflow.plugins import Context, Doc, Node, NodeError, Policy
from rflow.plugins.conformance import Example, NotConforming, check_plugin
from rflow.plugins.kinds.archive import Archive
from rflow.plugins.kinds.deploy_command import Command
from rflow.plugins.kinds.file import Write
from rflow.plugins.kinds.flow import Run
from rflow.plugins.kinds.http import Check
from rflow.plugins.kinds.message import Webhook
from rflow.plugins.kinds.message_chats import Discord, Slack, Teams
from rflow.plugins.kinds.message_email import Email
from rflow.plugins.kinds.message_pull_request import PullRequest
from rflow.plugins.kinds.sh import Sh
from rflow.plugins.kinds.wait import Until

NOBODY = "http://127.0.0.1:1"


def deployed(folder: Path) -> str | None:
    path = folder / "deployed"
    return path.read_text() if path.exists() else None


def test_rflows_own_kinds_conform() -> None:
    check_plugin(
        "builtin",
        Example(Sh("true")),
        Example(Sh("exit 3"), fails="status 3"),
        Example(Archive("src", "shop"), prepare=lambda folder: (folder / "src").mkdir()),
        Example(Write("deployed", "x"), world=deployed),
        Example(
            Write("deployed", "x"),
            prepare=lambda folder: (folder / "deployed").write_text("before"),
            world=deployed,
        ),
        Example(
            Command(
                value="v2",
                status="cat deployed",
                apply='printf "%s" "$RFLOW_VALUE" > deployed',
                undo_='printf "%s" "$RFLOW_VALUE" > deployed',
            ),
            prepare=lambda folder: (folder / "deployed").write_text("v1"),
            world=deployed,
        ),
        Example(Check(NOBODY), fails="cannot be reached"),
        Example(Webhook(NOBODY, "x"), fails="cannot be reached"),
        Example(Slack(NOBODY, "x"), fails="cannot be reached"),
        Example(Teams(NOBODY, "x"), fails="cannot be reached"),
        Example(Discord(NOBODY, "x"), fails="cannot be reached"),
        Example(Email(["a@b.example"], "c@d.example", "x", "y", "127.0.0.1", 1), fails="reached"),
        Example(PullRequest("/srv/git", None, "x", "t")),
        Example(Until(delay=60.0)),
        Example(Run("smoke")),
    )


@dataclass(frozen=True)
class Touch(Node, kind="acme.touch", effect="file", repeatable=True):
    """Touch a file."""

    path: Annotated[str, Doc("The file.")]
    slip: Annotated[str, Doc("What to do wrong.")] = ""

    @dataclass(frozen=True)
    class Outputs:
        size: Annotated[int, Doc("Its size.")]

    def run(self, ctx: Context) -> Any:
        path = ctx.directory / self.path
        if self.slip != "no intent":
            ctx.intend(f"file:{path}", None, "here")
        path.write_text("")
        match self.slip:
            case "wrong type":
                return {"size": "0"}
            case "other output":
                return {"size": 0, "more": 1}
            case "no json":
                return {"size": float("nan")}
            case "bug":
                raise RuntimeError("oops")
            case "failure":
                raise NodeError("the disk is full")
        return self.Outputs(0)

    def undo(self, ctx: Context, done: Outputs | None) -> None:
        if self.slip == "no undo" or (self.slip == "no undo in doubt" and done is None):
            return
        missing_ok = self.slip != "undo once"
        (ctx.directory / self.path).unlink(missing_ok=missing_ok)

    def recover(self, ctx: Context) -> Outputs | None:
        match self.slip:
            case "recover none":
                return None
            case "recover other":
                return self.Outputs(7)
        return self.Outputs(0)


@dataclass(frozen=True)
class Secretly(Node, kind="acme.secretly"):
    """Announces, but names no effect."""

    items: list[int] = field(default_factory=list)

    def run(self, ctx: Context) -> None:
        ctx.intend("x", None, None)


class Dice(Policy, name="dice"):
    """As chance will have it."""

    def delays(self, attempts: int) -> Sequence[float]:
        return [random.random() for _ in range(attempts - 1)]


def module(**members: Any) -> types.ModuleType:
    made = types.ModuleType("acme")
    vars(made).update(members)
    return made


def exists(folder: Path) -> bool:
    return (folder / "x").exists()


ACME = module(rflow_node_types=lambda: [Touch])


def test_a_good_plugin_conforms() -> None:
    check_plugin(ACME, Example(Touch("x"), world=exists))


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ("no intent", "announces no change"),
        ("wrong type", "its output `size` does not fit: it is a string, not an int"),
        ("other output", "puts out `more`, which it does not declare"),
        ("no json", "its outputs are no JSON"),
        ("bug", "it raised RuntimeError: oops"),
        ("failure", "it failed: the disk is full"),
        ("no undo", "after `undo` the world is not what it was"),
        ("no undo in doubt", "after `undo` without outputs"),
        ("undo once", "it raised FileNotFoundError"),
        ("recover none", "`recover` says that it did not take effect"),
        ("recover other", "`recover` gives {'size': 7}, `run` gave {'size': 0}"),
    ],
)
def test_slips_are_found(slip: str, told: str) -> None:
    with pytest.raises(NotConforming) as caught:
        check_plugin(ACME, Example(Touch("x", slip), world=exists))
    assert told in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    made = module(
        rflow_node_types=lambda: [Secretly],
        rflow_retry_policies=lambda: [Dice],
        rflow_filter=list,
    )
    with pytest.raises(NotConforming) as caught:
        check_plugin(made, Example(Secretly()), Example(Touch("x")), Example(Secretly(["a"])))  # type: ignore[list-item]
    told = caught.value.wrong
    for part in (
        "`rflow_filter`, which is no hook",
        "`acme.secretly`: `items` has no Doc",
        "the policy `dice` gives other delays each time",
        "its class names no `effect`",
        "does not provide the kind `acme.touch`",
        "the example's `items` does not fit: it[0] is a string, not an int",
    ):
        assert any(part in line for line in told), part


def test_a_plugin_that_cannot_be_imported() -> None:
    with pytest.raises(NotConforming, match="cannot be imported: ModuleNotFoundError"):
        check_plugin("no_such_plugin_here")


def test_an_import_that_is_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_acme.py").write_text("import httpx, networkx\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NotConforming, match=r"importing heavy_acme loads \d+ modules"):
        check_plugin("heavy_acme")


def test_an_example_that_must_fail() -> None:
    with pytest.raises(NotConforming, match="must fail with 'x' and did not"):
        check_plugin(ACME, Example(Touch("x"), fails="x"))
    with pytest.raises(NotConforming, match="failed with 'the disk is full'"):
        check_plugin(ACME, Example(Touch("x", "failure"), fails="other"))
