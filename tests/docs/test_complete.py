"""Nothing that a user meets is missing from the pages: options, codes, kinds, filters, hooks,
variables of the environment, keywords, events, files of the state folder."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import click
import pytest
from rflow.cli.codes import all_codes
from rflow.cli.main import COMMANDS, rflow
from rflow.plugins import hookspecs
from rflow.plugins.cache import specs
from rflow.runner import events, spawn, state_dir

from .pages import ROOT, blocks, pages, text_of

FOLDERS = ("cli", "compiler", "dsl", "plugins", "runner")
INTERNAL = {"RFLOW_GATE", "RFLOW_GUARD", "RFLOW_REF_", "_RFLOW_COMPLETE", "RFLOW_CONTRACT"}
"""Names that nobody sets or reads but rflow itself; the page on variables says so."""


@cache
def everything() -> str:
    return "\n".join(text_of(page) for page in pages())


def missing(names: list[str], text: str) -> list[str]:
    return [name for name in names if name not in text]


def test_every_code() -> None:
    assert missing(list(all_codes()), text_of("reference/codes.md")) == []


def test_every_code_that_is_said_can_be_explained() -> None:
    said = {
        code
        for folder in ("cli", "compiler", "dsl", "plugins", "runner", "server")
        for file in (ROOT / folder).rglob("*.py")
        for code in re.findall(r'"(RF\d{3})"', file.read_text())
    }
    assert sorted(said - {*all_codes()}) == []


def test_every_kind_filter_policy_and_source() -> None:
    found = specs()[0]
    own = [
        f"`{name}`"
        for section in (found.nodes, found.triggers, found.policies, found.sources)
        for name, spec in section.items()
        if spec.plugin == "rflow"
    ]
    assert missing(own, text_of("reference/kinds.md")) == []
    filters = [f"### `{name}`" for name, spec in found.filters.items() if spec.plugin == "rflow"]
    assert missing(filters, text_of("reference/filters.md")) == []


def test_every_hook_with_its_signature() -> None:
    text = " ".join(text_of("reference/hooks.md").split())
    source = (ROOT / "plugins/hookspecs.py").read_text("utf-8")
    for name in hookspecs.HOOKS:
        found = re.search(rf"^def {name}\((.*?)\) -> (.*):$", source, re.MULTILINE)
        assert found, name
        arguments, result = found.groups()
        shown = rf"def {name}\( ?{re.escape(arguments)},? ?\) -> {re.escape(result)} "
        assert re.search(shown, text), name


def test_every_hook_is_used_in_how_to_write_a_plugin() -> None:
    assert missing(list(hookspecs.HOOKS), text_of("how-to/plugins.md")) == []


def options() -> list[tuple[str, str]]:
    found = []
    root = click.Context(rflow)
    stack = [(name, rflow.get_command(root, name)) for name in COMMANDS]
    while stack:
        name, command = stack.pop()
        assert command is not None
        found += [(name, option) for param in command.params for option in param.opts]
        if isinstance(command, click.Group):
            stack += [(f"{name} {sub}", command.commands[sub]) for sub in command.commands]
    return [(name, option) for name, option in found if option.startswith("-")]


def test_every_option() -> None:
    sections = re.split(r"^### rflow ", text_of("reference/cli.md"), flags=re.MULTILINE)
    by_name = {section.partition("\n")[0]: section for section in sections}
    lost = [
        f"rflow {name} {option}"
        for name, option in options()
        if f"`{option}`" not in by_name[name] and option != "--color"
    ]
    assert lost == []


def test_every_variable_of_the_environment() -> None:
    text = text_of("reference/environment.md")
    named = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r"\b_?RFLOW_[A-Z_]*[A-Z_]\b", path.read_text("utf-8")))
    read = {"NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "XDG_CACHE_HOME"}
    passed = set(spawn.base_environment(_Everything())) - {"LC_ALL"}
    assert missing(sorted(f"`{name}`" for name in (named - INTERNAL) | read | passed), text) == []


class _Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def __contains__(self, _: object) -> bool:
        return True

    def __getitem__(self, name: str) -> str:
        return name


def test_every_keyword_of_the_language() -> None:
    grammar = (ROOT / "grammar/rflow.lark").read_text("utf-8")
    keywords = re.findall(r'^[A-Z]+: "([a-z]+)"$', grammar, re.MULTILINE)
    words = set(re.findall(r"\w+", text_of("reference/language.md")))
    assert len(keywords) > 40
    assert sorted(set(keywords) - words) == []


def test_every_event() -> None:
    assert missing([f"### {name}\n" for name in events.KINDS], text_of("reference/events.md")) == []


def test_every_file_of_the_state_folder() -> None:
    listed = re.findall(r"^    (\S+)", state_dir.__doc__ or "", re.MULTILINE)
    names = [part for line in listed for part in re.findall(r"[a-z]+[a-z.]*(?=/|$|,)", line)]
    assert "rflow.db" in names
    assert missing(names, text_of("reference/state.md")) == []


@pytest.mark.parametrize("page", pages())
def test_commands_that_are_only_shown_exist(page: str) -> None:
    """`rflow …` in a block that is not run: the command and its options are real."""
    for block in blocks(page):
        if block.language != "sh":
            continue
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
            found = re.match(r"\s*(?:\w+=\S+ )*rflow (\w+)(.*)", line)
            if found is None or "OPTIONS" in line:
                continue
            name, rest = found.groups()
            assert name in COMMANDS, f"{block}: {line}"
            known = {option for of, option in options() if of.split()[0] == name} | {"--help"}
            used = set(re.findall(r"(?<= )--?[a-z][\w-]*", re.split(r"   |[|>&]", rest)[0]))
            assert used <= known, f"{block}: {line}"


def test_the_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)", text_of("README.md")))
    single = {page for page in pages() if page != "README.md" and not page.startswith("decisions/")}
    family = {page for page in single if re.search(r"codes-rf\d", page)}
    assert sorted(single - family - linked) == []


def test_pages_are_text() -> None:
    assert all(isinstance(text_of(page), str) and Path(page).suffix == ".md" for page in pages())
