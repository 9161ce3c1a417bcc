"""Records that were cut, put back, or written anew; heads; what is missing without fault."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence

import pytest
from records import RUN, Recorded
from rflow.runner import chain
from rflow.runner import events as ev
from rflow.runner.chain import link
from rflow.runner.heads import note_head, noted_heads
from rflow.runner.memory import MemoryJournal
from rflow.runner.verdict import Verdict
from rflow.runner.verify import verify

UNENDED = (
    "UPDATE runs SET length = 11, concluded = 0, status = 'running', ended_at = NULL, name = run"
)


def told(of: Recorded, head: str = "") -> set[tuple[str, str]]:
    found: Verdict = verify(of.journal, of.state, RUN, head)
    return {(finding.code, finding.record.split(" (")[0]) for finding in found.findings}


def change(of: Recorded, *statements: str) -> None:
    db = sqlite3.connect(of.state.database)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def rewrite(of: Recorded, old: str, new: str) -> None:
    """Put another text into all events and chain them again, as somebody would who wants to hide
    what was there."""
    db = sqlite3.connect(of.state.database)
    rows: Sequence[tuple[object, ...]] = db.execute(
        "SELECT number, at, kind, version, node, attempt, body FROM events ORDER BY number"
    ).fetchall()
    head = ""
    for number, at, kind, version, node, attempt, body in rows:
        text = str(body).replace(old, new)
        head = link(
            head,
            RUN,
            int(str(number)),
            at,
            str(kind),
            version,
            node,
            attempt,
            text.encode(),  # type: ignore[arg-type]
        )
        db.execute("UPDATE events SET body = ?, head = ? WHERE number = ?", (text, head, number))
    db.commit()
    db.close()


def test_events_are_gone_from_the_end(recorded: Recorded) -> None:
    change(recorded, "DELETE FROM events WHERE number > 11")

    assert {("cut", "event 12"), ("cut", "event 13")} <= told(recorded)


def test_events_are_gone_and_the_list_agrees(recorded: Recorded) -> None:
    """Somebody made the run look as if it had not ended."""
    change(
        recorded,
        "DELETE FROM events WHERE number > 11",
        UNENDED,
    )

    assert told(recorded) == {("cut", "event 13")}


def test_and_the_note_is_gone_too_which_only_a_head_tells(recorded: Recorded) -> None:
    head = recorded.journal.head(RUN)
    change(
        recorded,
        "DELETE FROM events WHERE number > 11",
        UNENDED,
    )
    recorded.state.heads(RUN).unlink()

    assert told(recorded) == set()
    assert told(recorded, head) == {("rewritten", "head")}


def test_an_event_in_the_middle_is_gone(recorded: Recorded) -> None:
    change(recorded, "DELETE FROM events WHERE number = 8")

    assert ("missing", "event 8") in told(recorded)


def test_two_events_changed_places(recorded: Recorded) -> None:
    change(
        recorded,
        "UPDATE events SET number = 99 WHERE number = 8",
        "UPDATE events SET number = 8 WHERE number = 9",
        "UPDATE events SET number = 9 WHERE number = 99",
    )

    assert {("changed", "event 8"), ("changed", "event 9")} <= told(recorded)


def test_an_event_was_put_in_at_the_end(recorded: Recorded) -> None:
    change(
        recorded,
        "INSERT INTO events SELECT run, 14, at, kind, version, NULL, NULL, body, head FROM events "
        "WHERE number = 11",
    )

    assert ("changed", "event 14") in told(recorded)


def test_the_record_was_written_anew(recorded: Recorded) -> None:
    head = recorded.journal.head(RUN)
    rewrite(recorded, "lead@example.com", "dev@example.com")

    assert told(recorded) == {("rewritten", "event 13")}
    assert told(recorded, head) == {("rewritten", "event 13"), ("rewritten", "head")}


def test_and_the_note_as_well_which_only_a_head_tells(recorded: Recorded) -> None:
    head = recorded.journal.head(RUN)
    rewrite(recorded, "lead@example.com", "dev@example.com")
    recorded.state.heads(RUN).unlink()
    note_head(recorded.journal, recorded.state, RUN)

    assert told(recorded) == set()
    assert told(recorded, head) == {("rewritten", "head")}


def test_an_event_and_its_head_were_changed(recorded: Recorded) -> None:
    """The next event was chained to the true head: it is named."""
    event = recorded.journal.stored(RUN)[7]
    body = event.body.replace(b"lead@", b"lean@")
    before = recorded.journal.stored(RUN)[6].head
    head = link(before, RUN, event.number, event.at, event.kind, event.version, None, None, body)
    db = sqlite3.connect(recorded.state.database)
    db.execute("UPDATE events SET body = ?, head = ? WHERE number = 8", (body.decode(), head))
    db.commit()
    db.close()

    assert ("changed", "event 9") in told(recorded)


def test_a_head_from_before_the_run_went_on(recorded: Recorded) -> None:
    """A run that has ended can be renamed or retried: what was given still stands for its part."""
    head = recorded.journal.head(RUN)
    recorded.journal.transact(RUN, 13, [ev.RunRenamed("v2", "", "lead@example.com")], 5000.0)
    found = verify(recorded.journal, recorded.state, RUN, head)

    assert found.ok
    assert (found.at, found.events) == (13, 14)
    assert found.head != chain.shown(head)


def test_a_head_is_noted_once_each_time_the_run_ends(recorded: Recorded) -> None:
    note_head(recorded.journal, recorded.state, RUN)
    recorded.journal.transact(
        RUN,
        13,
        [ev.RetryRequested("dev@example.com", ("web",)), ev.RunEnded("failed")],
        5000.0,
    )
    note_head(recorded.journal, recorded.state, RUN)

    assert [note.number for note in noted_heads(recorded.state, RUN)] == [13, 15]
    assert verify(recorded.journal, recorded.state, RUN).ok


def test_a_note_that_is_damaged(recorded: Recorded) -> None:
    recorded.state.heads(RUN).write_text("13 zz\n")

    assert told(recorded) == {("unreadable", "noted head")}


def test_an_artifact_that_is_gone_takes_nothing_from_the_record(recorded: Recorded) -> None:
    recorded.file(recorded.artifact).unlink()
    found = verify(recorded.journal, recorded.state, RUN)

    assert found.ok
    assert found.missing == [recorded.artifact]


def test_a_value_that_is_gone_does(recorded: Recorded) -> None:
    recorded.file(recorded.value).unlink()

    assert told(recorded) == {("missing", f"artifact {recorded.value}")}


def test_the_plan_is_gone(recorded: Recorded) -> None:
    change(recorded, "DELETE FROM plans")

    assert {code for code, _ in told(recorded)} == {"missing"}


def test_the_run_is_not_listed(recorded: Recorded) -> None:
    change(recorded, "DELETE FROM runs")

    assert ("missing", "the run's line") in told(recorded)


def test_a_record_moves_with_its_state_folder(recorded: Recorded) -> None:
    head = recorded.journal.head(RUN)
    elsewhere = recorded.state.root.with_name("moved")
    recorded.journal.close()
    shutil.copytree(recorded.state.root, elsewhere)
    from rflow.runner.sqlite import SqliteJournal
    from rflow.runner.state_dir import StateDir

    state = StateDir(elsewhere)
    journal = SqliteJournal(state)

    assert verify(journal, state, RUN, head).ok
    journal.close()


def test_both_journals_chain_alike(recorded: Recorded) -> None:
    memory = MemoryJournal()
    records = recorded.journal.read(RUN)
    summary = recorded.journal.summary(RUN)
    assert summary is not None
    memory.create(summary, [records[0].event], records[0].at)
    for record in records[1:5]:
        memory.transact(RUN, record.number - 1, [record.event], record.at)

    stored = recorded.journal.stored(RUN)[:5]
    assert memory.stored(RUN) == stored
    assert memory.head(RUN) == stored[-1].head


@pytest.mark.parametrize("text", ["", "sha256:", "g" * 64, "a" * 63, "a" * 65, "md5:" + "a" * 64])
def test_what_is_no_head(text: str) -> None:
    with pytest.raises(ValueError, match="is no head"):
        chain.read_head(text)


@pytest.mark.parametrize("text", ["a" * 64, "sha256:" + "a" * 64, f"  SHA256:{'A' * 64}\n"])
def test_what_is_a_head(text: str) -> None:
    assert chain.read_head(text) == "a" * 64


def test_the_form_of_a_head_stays(recorded: Recorded) -> None:
    """Heads are given to others: how they come about can never change."""
    assert (
        link("", "r1", 1, 1.5, "RunStarted", 1, None, None, '{"guard":"größer"}'.encode())
        == "2b3d6fa628f3aa85ca9a2f91211f1027e1bee94bec40a25ba6211087709b7971"
    )
