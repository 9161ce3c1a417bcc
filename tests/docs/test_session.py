"""The terminal that tries the pages notices what it must, and passes over what differs anyway."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .pages import Block, cut
from .session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path, {"PATH": os.environ["PATH"]})


def console(text: str, **marks: str) -> Block:
    return Block("page.md", 1, "console", marks, text)


@pytest.mark.parametrize(
    "expected",
    [
        "run pd8pq3wa ended at 10:00:00 after 1.2s, just now\n",
        "run pd8pq3wa … just now\n",
        "…\n",
    ],
)
def test_what_differs_for_each_reader_is_passed_over(session: Session, expected: str) -> None:
    said = "run abcd2345 ended at 23:59:59 after 7ms, 3 s ago"
    assert session.play(console(f"$ echo '{said}'\n{expected}")) is None


@pytest.mark.parametrize(
    "expected", ["", "one\n", "two\n", "one\n\ntwo\n", "one\ntwo\nthree\n", "one two\n"]
)
def test_other_output_is_noticed(session: Session, expected: str) -> None:
    assert session.play(console(f"$ printf 'one\\ntwo\\n'\n{expected}")) is not None


def test_the_id_of_the_page_stands_for_the_readers(session: Session) -> None:
    first = console("$ echo created abcd2345\ncreated pd8pq3wa\n")
    assert session.play(first) is None
    assert session.play(console("$ echo pd8pq3wa | tr a-z A-Z\nABCD2345\n")) is None
    two_names_for_one_run = console("$ echo created abcd2345\ncreated hy9rbe5e\n")
    assert session.play(two_names_for_one_run) is not None


def test_the_exit_code_is_compared(session: Session) -> None:
    assert session.play(console("$ exit 3\n", exit="3")) is None
    with pytest.raises(AssertionError, match="ended with 3"):
        session.play(console("$ exit 3\n"))


def test_a_command_goes_on_in_a_terminal_of_its_own(session: Session) -> None:
    command = "$ sh -c 'echo begun; read line < answer; echo $line'\nbegun\n"
    os.mkfifo(session.folder / "answer")
    try:
        assert session.play(console(command, start="first")) is None
        assert session.play(console("$ echo heard > answer\n")) is None
        assert session.play(console("heard\n", end="first")) is None
    finally:
        session.close()


def test_marks_and_orders_are_read() -> None:
    text = "# A\n\n```rflow file=a.rflow fails=RF1\nx\n```\n\n<!-- test: kill first -->\n"
    block, order = cut("page.md", text)
    assert (block.language, block.marks, block.text) == (
        "rflow",
        {"file": "a.rflow", "fails": "RF1"},
        "x\n",
    )
    assert (order.language, order.text, order.line) == ("test", "kill first", 7)
