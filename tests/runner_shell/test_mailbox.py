"""Values that go from many threads to one."""

from __future__ import annotations

import threading

from rflow.runner.mailbox import Mailbox


def test_order_is_kept_and_nothing_is_lost() -> None:
    box: Mailbox[tuple[int, int]] = Mailbox()

    def put(thread: int) -> None:
        for number in range(500):
            box.put((thread, number))

    threads = [threading.Thread(target=put, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    found: list[tuple[int, int]] = []
    while len(found) < 2000:
        value = box.take(None)
        if value is not None:
            found.append(value)
    for thread in threads:
        thread.join()
    for number in range(4):
        assert [value for thread, value in found if thread == number] == list(range(500))
    assert box.take(0) is None


def test_what_is_there_is_not_waited_for() -> None:
    box: Mailbox[str] = Mailbox()
    box.put("a")
    box.put("b")
    assert [box.take(None), box.take(0), box.take(0)] == ["a", "b", None]
