"""What a git trigger says of an event: every rule, what it looked at, what it found. Pure.

A verdict is for people as much as for the server: *why nothing happened* is the question that it
answers. What the event does not say (its message was cut off) is in `needs`; whoever asks fills
it in and asks again, and is never asked for it while another rule has already said no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from msgspec import Struct, field
from pathspec import GitIgnoreSpec
from rflow.compiler import globs
from rflow.plugins.types import Json
from rflow.server.events import GitEvent, repository_key

Said = Literal["yes", "no", "open"]
Need = Literal["commits", "head", "paths"]
Outcome = Literal["start", "no", "other", "wait", "ask"]

LISTED_MAX = 5


class Rule(Struct, frozen=True):
    """What one rule said of one value, and why, in words. `open`: it could not be asked yet."""

    name: str
    said: Said
    value: str
    why: str


class Verdict(Struct, frozen=True):
    """What a trigger says of an event.

    `start`: all rules said yes. `no`: one said no. `other`: the event is about another
    repository. `wait`: all but the checks of the commit said yes. `ask`: the repository must be
    asked for what `needs` names.
    """

    outcome: Outcome
    rules: tuple[Rule, ...]
    needs: frozenset[Need] = field(default_factory=frozenset)

    @property
    def why(self) -> str:
        """The reason in one line: the rule that said no, or that all said yes."""
        for rule in self.rules:
            if rule.said == "no":
                return rule.why
        for rule in self.rules:
            if rule.said == "open":
                return rule.why
        return "all rules said yes"


def look(
    inputs: Mapping[str, Json], event: GitEvent, directory: Path, *, passed: bool = False
) -> Verdict:
    """What the trigger with these inputs says of the event. `directory` is where a relative path
    of a repository begins; `passed` says that all checks of the commit have."""
    repo = _repository(inputs, event, directory)
    if repo.said == "no":
        return Verdict("other", (repo,))
    rules = [repo, *_about_ref(inputs, event)]
    if event.pull_request is not None:
        rules += _about_pull_request(inputs, event)
    settled = all(rule.said == "yes" for rule in rules)
    needs: set[Need] = set()
    if event.what != "tag":
        for found, need in (_about_message(inputs, event), _about_paths(inputs, event)):
            if found is not None:
                rules.append(found)
            if need is not None:
                needs.add(need)
    if any(rule.said == "no" for rule in rules):
        return Verdict("no", tuple(rules))
    assert settled
    if needs:
        return Verdict("ask", tuple(rules), frozenset(needs))
    if inputs.get("checks") is True:
        rules.append(_about_checks(event, passed))
        if not passed:
            return Verdict("wait", tuple(rules))
    return Verdict("start", tuple(rules))


def _repository(inputs: Mapping[str, Json], event: GitEvent, directory: Path) -> Rule:
    wanted = str(inputs.get("repo", ""))
    key = repository_key(wanted, directory)
    shown = event.repos[0] if event.repos else ""
    if any(repository_key(one, directory) == key for one in event.repos):
        return Rule("repo", "yes", shown, f"it is the repository of the trigger, {key}")
    return Rule("repo", "no", shown, f"the trigger is about another repository, {key}")


def _about_ref(inputs: Mapping[str, Json], event: GitEvent) -> list[Rule]:
    match event.what:
        case "push":
            return [_patterns("branches", "branch", _texts(inputs, "branches"), event.branch)]
        case "tag":
            return [_patterns("tags", "tag", _texts(inputs, "tags"), event.tag)]
        case "pull_request":
            listed = _texts(inputs, "pull_requests")
            rules = [_patterns("pull_requests", "branch", listed, event.branch)]
            if event.action == "labelled" and not _texts(inputs, "labels"):
                why = "a label was added, and the trigger asks for none"
                rules.append(Rule("action", "no", event.action, why))
            return rules
        case _:
            return [Rule("checks", "no", event.sha[:12], "no push of this commit waits for them")]


def _patterns(rule: str, what: str, patterns: Sequence[str], name: str) -> Rule:
    if not patterns:
        return Rule(rule, "no", name, f"the trigger lists no `{rule}`")
    found = decides(patterns, name)
    listed = _listed(patterns)
    if found is None:
        return Rule(rule, "no", name, f"the {what} `{name}` matches none of {listed}")
    if found.startswith("!"):
        return Rule(rule, "no", name, f"the {what} `{name}` is taken out by `{found}`")
    return Rule(rule, "yes", name, f"the {what} `{name}` matches `{found}`")


def decides(patterns: Sequence[str], name: str) -> str | None:
    """The last of the patterns that matches the name; with `!`, one that takes it out again."""
    found = None
    for pattern in patterns:
        if globs.matches(name, pattern.removeprefix("!")):
            found = pattern
    return found


def _about_pull_request(inputs: Mapping[str, Json], event: GitEvent) -> list[Rule]:
    pull = event.pull_request
    assert pull is not None
    rules = []
    if not pull.draft:
        rules.append(Rule("drafts", "yes", "no draft", "it is no draft"))
    elif inputs.get("drafts") is True:
        rules.append(Rule("drafts", "yes", "draft", "it is a draft, and `drafts` lets it in"))
    else:
        why = "it is a draft; it starts runs once it is ready, or with `drafts = true`"
        rules.append(Rule("drafts", "no", "draft", why))
    if not pull.fork:
        rules.append(Rule("forks", "yes", "no fork", "its branch is in the repository itself"))
    elif inputs.get("forks") is True:
        rules.append(Rule("forks", "yes", "fork", "it is from a fork, and `forks` lets it in"))
    else:
        why = "it is from a fork; those start runs only with `forks = true`"
        rules.append(Rule("forks", "no", "fork", why))
    if labels := _texts(inputs, "labels"):
        rules.append(_about_labels(labels, event))
    return rules


def _about_labels(patterns: list[str], event: GitEvent) -> Rule:
    pull = event.pull_request
    assert pull is not None
    value, listed = ", ".join(pull.labels), _listed(patterns)

    def wanted(label: str) -> bool:
        return any(globs.matches(label, pattern) for pattern in patterns)

    if event.action == "labelled" and pull.added != "*" and not wanted(pull.added):
        why = f"the label that was added, `{pull.added}`, is none of {listed}"
        return Rule("labels", "no", pull.added, why)
    found = next((label for label in pull.labels if wanted(label)), None)
    if found is None:
        return Rule("labels", "no", value, f"none of its labels is one of {listed}")
    return Rule("labels", "yes", found, f"it has the label `{found}`")


def _about_message(inputs: Mapping[str, Json], event: GitEvent) -> tuple[Rule | None, Need | None]:
    flags = _texts(inputs, "skip")
    if not flags:
        return None, None
    looked = [event.head] if event.head is not None else []
    if event.what == "push":
        looked += event.commits or ()
    for commit in looked:
        for flag in flags:
            if flag.casefold() in commit.message.casefold():
                why = f"the message of {commit.sha[:12]} contains `{flag}`"
                return Rule("skip", "no", _first_line(commit.message), why), None
    if event.what == "push" and event.commits is None:
        why = "the commits of the push must be asked of the repository"
        return Rule("skip", "open", "", why), "commits"
    if event.head is None and event.what == "pull_request":
        why = "the message of the commit must be asked of the repository"
        return Rule("skip", "open", "", why), "head"
    who = "the message does not contain" if len(looked) < 2 else "no message contains"
    why = f"{who} {_listed(flags)}"
    return Rule("skip", "yes", _first_line(event.head.message if event.head else ""), why), None


def _about_paths(inputs: Mapping[str, Json], event: GitEvent) -> tuple[Rule | None, Need | None]:
    allow, ignore = _texts(inputs, "paths"), _texts(inputs, "ignore")
    if not allow and not ignore:
        return None, None
    name = "paths" if allow else "ignore"
    if event.paths is None:
        why = "the changed files must be asked of the repository"
        return Rule(name, "open", "", why), "paths"
    value = _listed(event.paths) if event.paths else "no file"
    found = counts(allow, ignore, event.paths)
    many = f"{len(event.paths)} changed file{'s' if len(event.paths) != 1 else ''}"
    if found is not None:
        why = f"`{found}` was changed, one of {many}"
        return Rule(name, "yes", value, why), None
    reason = f"matches {_listed(allow)}" if allow else f"is outside {_listed(ignore)}"
    if allow and ignore:
        reason += f" and is outside {_listed(ignore)}"
    return Rule(name, "no", value, f"none of {many} {reason}"), None


def counts(allow: Sequence[str], ignore: Sequence[str], paths: Sequence[str]) -> str | None:
    """The first of the paths that counts: it matches `allow` (if there is any) and not `ignore`,
    both as .gitignore is read."""
    allowed, ignored = _spec(tuple(allow)), _spec(tuple(ignore))
    for path in paths:
        if (not allow or allowed.match_file(path)) and not ignored.match_file(path):
            return path
    return None


@lru_cache(maxsize=128)
def _spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(patterns)


def _about_checks(event: GitEvent, passed: bool) -> Rule:
    short = event.sha[:12]
    if passed:
        return Rule("checks", "yes", short, f"all checks of {short} have passed")
    return Rule("checks", "open", short, f"it waits until all checks of {short} have passed")


def _texts(inputs: Mapping[str, Json], name: str) -> list[str]:
    found = inputs.get(name)
    return [str(item) for item in found] if isinstance(found, list) else []


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:LISTED_MAX])
    more = len(names) - LISTED_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:120]
