"""The chain of a run's events, followed from its beginning: which events are not as written.

An event whose bytes do not give its head was changed, or its head was; the next event, which was
chained to the true head, tells which. Heads that were given to somebody, or noted when the run
ended, tell what the chain alone cannot: that it was cut, or written anew.
"""

from __future__ import annotations

from collections.abc import Container

from rflow.runner.chain import START, Stored, head_of, shown
from rflow.runner.heads import Noted
from rflow.runner.verdict import Body, Finding, Verdict

Heads = dict[int, tuple[str, ...]]
"""The head of each event, by number; of one that does not match, the computed and the stored."""


def check_chain(
    found: Verdict, events: list[Stored], bodies: list[Body], run: str, known: Container[str]
) -> Heads:
    """Name the events that differ; the heads that there are. `known` are heads that are known
    from elsewhere to be right."""
    found.events = len(events)
    if not events:
        found.findings.append(Finding("missing", "event 1", "the run has no events"))
        return {}
    if not any(event.head for event in events):
        message = "the run was written before rflow chained its events: nothing can be verified"
        found.findings.append(Finding("unchained", "journal", message))
        return {}
    heads: Heads = {}
    bases = [START]
    odd: tuple[Body, str, str] | None = None
    """The last event, if it does not match: with the head that comes out and the stored one."""
    number = 0
    for event, body in zip(events, bodies, strict=True):
        for absent in range(number + 1, event.number):
            found.findings.append(Finding("missing", f"event {absent}", "is not there"))
            bases = []
        number = event.number
        if event.trouble:
            found.findings.append(Finding("unreadable", body.name, event.trouble))
            odd, bases = None, []
            continue
        results = [head_of(base, run, event) for base in bases]
        if not bases and event.head:  # what comes before is gone or cannot be read
            heads[number], bases = (event.head,), [event.head]
            continue
        matching = results.index(event.head) if event.head in results else None
        if odd is not None:
            _tell(found, odd, None if matching is None else bases[matching])
        odd = None
        if matching is None:
            odd, bases = (body, results[0], event.head), [results[0], event.head]
        else:
            bases = [event.head]
        heads[number] = tuple(bases)
    if odd is not None:
        _tell(found, odd, odd[1] if odd[1] in known else None)
    found.head = shown(heads[number][0]) if number in heads else ""
    return heads


def _tell(found: Verdict, odd: tuple[Body, str, str], base: str | None) -> None:
    """Say of an event that does not match which part of it the next one contradicts."""
    body, computed, _ = odd
    if base == computed:
        message = "its head is not the one that was stored with it; what it says is as it was"
        found.findings.append(Finding("head-changed", body.name, message))
    else:
        message = "it is not what was written: its bytes do not give its head"
        found.findings.append(Finding("changed", body.name, message))


def check_heads(found: Verdict, heads: Heads, noted: list[Noted], given: str) -> None:
    """Compare the heads with the one that was given, and with those noted when the run ended."""
    if not heads:
        found.against, found.source = shown(given), "given" if given else ""
        return
    for note in noted:
        if note.trouble:
            found.findings.append(Finding("unreadable", "noted head", note.trouble))
        elif note.number not in heads:
            message = f"the record ends before it, but the run had {note.number} events"
            found.findings.append(Finding("cut", f"event {note.number}", message))
        elif note.head not in heads[note.number] and found.ok:
            message = (
                f"the chain is whole, but its head there is not {shown(note.head)}, which was "
                "noted when the run ended: events up to it were written anew"
            )
            found.findings.append(Finding("rewritten", f"event {note.number}", message))
        else:
            found.against, found.source, found.at = shown(note.head), "noted", note.number
    if not given:
        return
    found.against, found.source = shown(given), "given"
    found.at = next((number for number, some in heads.items() if given in some), None)
    if found.at is None:
        message = (
            "no event of the run has the head that was given: the record was cut or written anew, "
            "or it is the head of another run"
        )
        found.findings.append(Finding("rewritten", "head", message))
