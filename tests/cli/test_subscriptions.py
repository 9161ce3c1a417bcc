"""`rflow subscriptions`, on a state that a run has made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Rflow

FLOW = 'rflow 1\nflow hello { node greet: sh { script = "echo hello"  pure } }\n'


@pytest.fixture
def subscribed(rflow: Rflow, tmp_path: Path) -> dict[str, Any]:
    """A subscription, as it was told when it was made."""
    (tmp_path / "hello.rflow").write_text(FLOW)
    assert rflow("run", "hello.rflow", "--yes").returncode == 0
    done = rflow(
        *("subscriptions", "add", "https://hooks.example.com/hidden?token=hidden"),
        *("--event", "run.*", "--flow", "hello", "--format", "json"),
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_is_made_is_listed_without_its_secret(
    rflow: Rflow, subscribed: dict[str, Any]
) -> None:
    id = subscribed["subscription"]["id"]
    shown = rflow("subscriptions").stdout
    assert f"{id}  https://hooks.example.com  run.*   hello" in shown
    assert "hidden" not in shown
    assert subscribed["secret"].startswith("whsec_")
    listed = json.loads(rflow("subscriptions", "list", "--format", "json").stdout)
    assert listed == [subscribed["subscription"]]


def test_its_messages(rflow: Rflow, subscribed: dict[str, Any]) -> None:
    id = subscribed["subscription"]["id"]
    assert "nothing was sent" in rflow("subscriptions", "deliveries", id).stdout
    rflow("subscriptions", "test", id)
    assert "1   subscription.test" in rflow("subscriptions", "deliveries", id).stdout
    assert rflow("subscriptions", "resend", id, "1").returncode == 0
    (message,) = json.loads(rflow("subscriptions", "deliveries", id[:5], "--format", "json").stdout)
    assert (message["state"], message["type"]) == ("waiting", "subscription.test")


def test_it_ends(rflow: Rflow, subscribed: dict[str, Any]) -> None:
    id = subscribed["subscription"]["id"]
    assert rflow("subscriptions", "enable", id).returncode == 0
    assert "is not told any more" in rflow("subscriptions", "remove", id).stdout
    gone = rflow("subscriptions", "remove", id)
    assert gone.returncode == 2
    assert "error[RF988]: there is no subscription" in gone.stderr
    assert "nobody is subscribed" in rflow("subscriptions").stdout


def test_an_address_from_standard_input(rflow_process: Rflow, tmp_path: Path) -> None:
    (tmp_path / "hello.rflow").write_text(FLOW)
    rflow_process("run", "hello.rflow", "--yes")
    done = rflow_process("subscriptions", "add", "-", input="https://hooks.example.com/x\n")
    assert "https://hooks.example.com\n" in done.stdout
    refused = rflow_process("subscriptions", "add", "http://169.254.169.254/latest")
    assert (refused.returncode, "error[RF989]" in refused.stderr) == (2, True)
