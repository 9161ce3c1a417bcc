"""What a git trigger says of an event, rule by rule."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rflow.server.events import Commit, GitEvent, PullRequest
from rflow.server.matching import Verdict, counts, decides, look

HERE = Path("/srv")
SHA = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
HEAD = Commit(SHA, "Prices in euros", "dev")
PUSH = GitEvent(
    "push",
    ("https://git.example.com/acme/shop.git",),
    SHA,
    branch="main",
    commits=(HEAD,),
    head=HEAD,
    paths=("src/prices.py", "README.md"),
)
PULL = GitEvent(
    "pull_request",
    PUSH.repos,
    SHA,
    branch="prices",
    action="opened",
    head=HEAD,
    paths=PUSH.paths,
    pull_request=PullRequest(7, "main"),
)
TAG = GitEvent("tag", PUSH.repos, SHA, tag="v1.2", head=HEAD)


def asked(event: GitEvent, *, passed: bool = False, **inputs: Any) -> Verdict:
    """The verdict of a trigger that listens to everything, but for what is given."""
    every = {
        "repo": "git@git.example.com:acme/shop",
        "branches": ["**"],
        "pull_requests": ["**"],
        "tags": ["**"],
        "skip": ["[skip ci]"],
    }
    return look({**every, **inputs}, event, HERE, passed=passed)


def said(verdict: Verdict, rule: str) -> str:
    return next(found.said for found in verdict.rules if found.name == rule)


def test_all_rules_say_yes_and_each_says_about_what() -> None:
    verdict = asked(PUSH, branches=["main"], paths=["src/**"])

    assert verdict.outcome == "start"
    assert [(rule.name, rule.said, rule.value) for rule in verdict.rules] == [
        ("repo", "yes", "https://git.example.com/acme/shop.git"),
        ("branches", "yes", "main"),
        ("skip", "yes", "Prices in euros"),
        ("paths", "yes", "`src/prices.py`, `README.md`"),
    ]
    assert verdict.rules[3].why == "`src/prices.py` was changed, one of 2 changed files"


def test_another_repository_is_another_matter() -> None:
    verdict = asked(PUSH, repo="https://git.example.com/acme/other")

    assert verdict.outcome == "other"
    assert len(verdict.rules) == 1


def test_a_repository_by_a_path_is_relative_to_the_flow() -> None:
    event = replace(PUSH, repos=("/srv/git/shop.git",))

    assert asked(event, repo="git/shop.git").outcome == "start"


@pytest.mark.parametrize(
    ("patterns", "branch", "outcome"),
    [
        (["main"], "main", "start"),
        (["main"], "main2", "no"),
        (["release/*"], "release/1", "start"),
        (["release/*"], "release/1/fix", "no"),
        (["release/**"], "release/1/fix", "start"),
        (["**", "!tmp/**"], "tmp/x", "no"),
        (["**", "!tmp/**", "tmp/keep"], "tmp/keep", "start"),
        ([], "main", "no"),
    ],
)
def test_branches(patterns: list[str], branch: str, outcome: str) -> None:
    assert asked(replace(PUSH, branch=branch), branches=patterns).outcome == outcome


def test_a_verdict_says_in_words_why_nothing_happened() -> None:
    assert asked(PUSH, branches=[]).why == "the trigger lists no `branches`"
    assert asked(PUSH, branches=["a", "b"]).why == "the branch `main` matches none of `a`, `b`"
    assert asked(PUSH, branches=["**", "!main"]).why == "the branch `main` is taken out by `!main`"
    assert asked(PUSH, paths=["docs/**"]).why == "none of 2 changed files matches `docs/**`"


def test_a_push_is_no_pull_request_and_no_tag() -> None:
    assert asked(PUSH, branches=[]).outcome == "no"
    assert asked(PULL, pull_requests=[]).outcome == "no"
    assert asked(TAG, tags=[]).outcome == "no"


def test_any_commit_of_a_push_may_say_that_it_is_to_be_skipped() -> None:
    older = Commit("a" * 40, "wip [SKIP CI]", "dev")

    verdict = asked(replace(PUSH, commits=(older, HEAD)))

    assert verdict.outcome == "no"
    assert verdict.why == "the message of aaaaaaaaaaaa contains `[skip ci]`"


def test_of_a_pull_request_only_the_newest_commit_counts() -> None:
    older = Commit("a" * 40, "wip [skip ci]", "dev")

    assert asked(replace(PULL, commits=(older, HEAD))).outcome == "start"
    assert asked(replace(PULL, head=replace(HEAD, message="[skip ci]"))).outcome == "no"


def test_a_tag_is_set_on_purpose_whatever_the_message_and_the_files() -> None:
    event = replace(TAG, head=replace(HEAD, message="release [skip ci]"))

    assert asked(event, paths=["nothing"]).outcome == "start"


def test_ignored_files_do_not_count() -> None:
    assert asked(PUSH, ignore=["*.md"]).outcome == "start"
    assert asked(PUSH, ignore=["*.md", "src/"]).outcome == "no"
    assert asked(PUSH, paths=["src/**"], ignore=["src/prices.py"]).outcome == "no"


def test_what_the_message_does_not_say_is_asked_for_only_if_it_matters() -> None:
    cut = replace(PUSH, commits=None, paths=None)

    assert asked(cut).needs == {"commits"}
    assert asked(cut, paths=["src/**"]).needs == {"commits", "paths"}
    assert asked(cut, paths=["src/**"], skip=[]).needs == {"paths"}
    assert asked(cut, skip=[]).outcome == "start"
    assert asked(cut, paths=["src/**"], branches=["other"]).needs == frozenset()
    assert asked(replace(PULL, head=None)).needs == {"head"}


def test_drafts() -> None:
    assert PULL.pull_request is not None
    draft = replace(PULL, pull_request=replace(PULL.pull_request, draft=True))

    assert asked(draft).outcome == "no"
    assert asked(draft, drafts=True).outcome == "start"


def test_forks() -> None:
    assert PULL.pull_request is not None
    fork = replace(PULL, pull_request=replace(PULL.pull_request, fork=True))

    assert asked(fork).outcome == "no"
    assert asked(fork, forks=True).outcome == "start"


def labelled(*labels: str, added: str = "") -> GitEvent:
    assert PULL.pull_request is not None
    pull = replace(PULL.pull_request, labels=labels, added=added)
    return replace(PULL, action="labelled" if added else "updated", pull_request=pull)


@pytest.mark.parametrize(
    ("event", "labels", "outcome"),
    [
        (labelled("ship"), ["ship"], "start"),
        (labelled("bug"), ["ship"], "no"),
        (labelled(), ["ship"], "no"),
        (labelled("ship/eu"), ["ship/*"], "start"),
        (labelled("ship", added="ship"), ["ship"], "start"),
        (labelled("ship", "bug", added="bug"), ["ship"], "no"),  # it has started for `ship`
        (labelled("ship", added="*"), ["ship"], "start"),
        (labelled("ship", added="ship"), [], "no"),
        (labelled("ship"), [], "start"),
    ],
)
def test_labels(event: GitEvent, labels: list[str], outcome: str) -> None:
    assert asked(event, labels=labels).outcome == outcome


def test_a_trigger_may_wait_for_all_checks() -> None:
    assert asked(PUSH, checks=True).outcome == "wait"
    assert asked(PUSH, checks=True, passed=True).outcome == "start"
    assert asked(PUSH, checks=True, branches=["other"]).outcome == "no"
    assert said(asked(PUSH, checks=True), "checks") == "open"


def test_checks_by_themselves_start_nothing() -> None:
    assert asked(GitEvent("checks", PUSH.repos, SHA)).outcome == "no"


# -- properties ------------------------------------------------------------------------------------

parts = st.sampled_from(["a", "b", "src", "docs", "x.md", "y.py"])
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
ignore_patterns = st.builds(
    lambda negated, rooted, inner, folder: (
        ("!" if negated else "") + ("/" if rooted else "") + inner + ("/" if folder else "")
    ),
    st.booleans(),
    st.booleans(),
    st.lists(st.sampled_from(["a", "b", "src", "docs", "*.md", "**", "*"]), min_size=1, max_size=3)
    .map("/".join)
    .filter(lambda text: "**/**" not in text),
    st.booleans(),
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ignored")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@settings(max_examples=60, deadline=None)
@given(st.lists(ignore_patterns, max_size=4), st.lists(paths, min_size=1, max_size=6, unique=True))
def test_ignored_is_what_git_ignores(bare: Path, patterns: list[str], changed: list[str]) -> None:
    # In a repository a path is a file or a folder; both at once is not to be had.
    assume(not any(other.startswith(f"{path}/") for path in changed for other in changed))
    (bare / ".git" / "info" / "exclude").write_text("\n".join(patterns) + "\n")
    told = subprocess.run(
        ["git", "-C", str(bare), "check-ignore", "--no-index", "--stdin"],
        input="\n".join(changed) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    kept = [path for path in changed if path not in told.stdout.splitlines()]

    assert counts([], patterns, changed) == (kept[0] if kept else None)


@given(st.lists(st.sampled_from(["main", "!main", "**", "!**", "rel/*", "!rel/*"]), max_size=5))
def test_the_last_pattern_that_matches_decides(patterns: list[str]) -> None:
    for name in ("main", "rel/1", "rel/1/x"):
        found = decides(patterns, name)
        if found is None:
            assert not any(decides([pattern], name) for pattern in patterns)
        else:
            later = patterns[len(patterns) - patterns[::-1].index(found) :]
            assert all(decides([pattern], name) is None for pattern in later)


@given(st.text(max_size=30), st.booleans(), st.text(max_size=30))
def test_a_flag_is_found_anywhere_and_in_any_case(before: str, upper: bool, after: str) -> None:
    flag = "[SKIP CI]" if upper else "[skip ci]"
    head = replace(HEAD, message=f"{before}{flag}{after}")

    assert asked(replace(PUSH, head=head, commits=(head,))).outcome == "no"


@given(
    st.sampled_from([PUSH, PULL, TAG]),
    st.fixed_dictionaries(
        {},
        optional={
            "branches": st.lists(st.sampled_from(["main", "!main", "**"]), max_size=2),
            "pull_requests": st.lists(st.sampled_from(["prices", "x"]), max_size=2),
            "tags": st.lists(st.sampled_from(["v*", "x"]), max_size=2),
            "paths": st.lists(st.sampled_from(["src/", "docs/"]), max_size=2),
            "ignore": st.lists(st.sampled_from(["src/", "*.md"]), max_size=2),
            "checks": st.booleans(),
            "labels": st.lists(st.sampled_from(["ship"]), max_size=1),
        },
    ),
    st.booleans(),
    st.booleans(),
)
def test_the_outcome_follows_from_the_rules_and_only_from_them(
    event: GitEvent, inputs: dict[str, Any], cut: bool, passed: bool
) -> None:
    if cut:
        event = replace(event, commits=None, paths=None, head=None)

    verdict = asked(event, passed=passed, **inputs)

    answers = {rule.said for rule in verdict.rules}
    assert (verdict.outcome == "start") == (answers == {"yes"})
    assert (verdict.outcome == "no") == ("no" in answers)
    assert bool(verdict.needs) == (verdict.outcome == "ask")
    assert all(rule.why for rule in verdict.rules)
