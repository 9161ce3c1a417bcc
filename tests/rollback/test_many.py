"""Pages of releases: the same runs as a whole list, whatever the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def test_pages_of_releases(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    made.release("2", fails=True)
    made.release("3")
    back = made.service.rollback(one, by="lead@example.com")
    made.service.drive(back)
    made.release("4")
    service = made.service
    whole = service.releases("shop.production")
    assert [release.version for release in whole] == ["4", "1", "3", "", "1"]
    assert whole[-1].rollbacks == [back]
    assert whole[2].why_not.startswith("it is in quarantine")
    pages, before = [], None
    while page := service.releases("shop.production", 2, before):
        pages += page
        before = page[-1].run.run
    assert pages == whole, "a rollback of a later page counts, too"


def test_what_a_run_of_old_did_after_the_release_is_crossed(shop: Make) -> None:
    made = shop(contract='irreversible "mail was sent"')
    first = made.release("1")
    two = made.release("2")
    assert made.service.rollback_preview(two).crossed == []
    made.service.retry(first, "migrate", by="dev@example.com")
    made.service.drive(first)
    crossed = made.service.rollback_preview(two).crossed
    assert [(c.run, c.node) for c in crossed] == [(first, "migrate")]


def test_of_runs_that_leave_nothing_behind_no_event_is_read(
    shop: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shop(contract="pure")
    first = made.release("1")
    journal = made.service.journal
    read, reads = journal.read, []

    def counted(run: str, after: int = 0) -> Any:
        reads.append(run)
        return read(run, after)

    between = made.release("1")
    last = made.release("2")
    monkeypatch.setattr(journal, "read", counted)
    preview = made.service.rollback_preview(first)

    assert preview.crossed == []
    assert {step.by_now for step in preview.steps} == {last}
    assert between not in reads
