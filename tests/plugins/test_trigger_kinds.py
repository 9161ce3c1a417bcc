"""What the trigger kinds refuse before a flow is ever served."""

from __future__ import annotations

from typing import Any

import pytest
from rflow.plugins.kinds.triggers import Cron, Git


@pytest.mark.parametrize(
    ("inputs", "field", "told"),
    [
        ({"repo": "--upload-pack=x"}, "repo", "no address"),
        ({"branches": ["a b"]}, "branches", "no name of git's"),
        ({"branches": ["!"]}, "branches", "no name of git's"),
        ({"tags": ["-x"]}, "tags", "no name of git's"),
        ({"paths": [" "]}, "paths", "matches nothing"),
        ({"paths": ["# a note"]}, "paths", "matches nothing"),
        ({"ignore": ["!"]}, "ignore", "no pattern of .gitignore"),
        ({"skip": [""]}, "skip", "no commit would start a run"),
        ({"labels": [""], "pull_requests": ["**"]}, "labels", "empty name"),
        ({"labels": ["ship"]}, "labels", "`pull_requests` lists none"),
        ({"forks": True}, "forks", "`pull_requests` lists none"),
        ({"drafts": True}, "drafts", "`pull_requests` lists none"),
    ],
)
def test_a_git_trigger_that_could_not_work(inputs: dict[str, Any], field: str, told: str) -> None:
    found = list(Git(**{"repo": "https://example.com/acme/shop", **inputs}).check())

    assert any(name == field and told in why for name, why in found), found


def test_a_git_trigger_with_all_its_rules() -> None:
    trigger = Git(
        repo="git@example.com:acme/shop.git",
        branches=["main", "release/*", "!release/old"],
        pull_requests=["**"],
        tags=["v*"],
        paths=["src/**", "!**/*.md", "/a b"],
        ignore=["docs/"],
        labels=["ship"],
        forks=True,
        drafts=True,
        checks=True,
    )

    assert list(trigger.check()) == []


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"schedule": "0 2 * *"}, "schedule"),
        ({"schedule": "0 2 * * mondays"}, "schedule"),
        ({"schedule": "0 2 * * *", "timezone": "Berlin"}, "timezone"),
    ],
)
def test_a_cron_trigger_that_could_not_work(inputs: dict[str, Any], field: str) -> None:
    assert [name for name, _ in Cron(**inputs).check()] == [field]
