"""Ending processes by their mark, and the guard: the process that does so when the runner dies.

Every process that an attempt starts has `RFLOW_GUARD=MARK.SERIAL` in its environment, and so have
the processes that those start, whatever group or session they are in. The guard holds the reading
end of a pipe whose writing end the runner holds and never writes to: it ends with the runner,
however that ends. The guard then ends the processes of the attempts that were going on, politely
first, and looks again until there are none.

Which attempts are going on stands in a file of serials (see `runner.guard`). What an attempt that
has ended left behind, a service that it started, is not the guard's: it lives on.

Run by path with `python -I -S`, beside the first attempts of a run, whose time it must not take:
standard library only, and at first as little of it as possible. The signals of a terminal are
blocked by whoever starts it. It must never touch a process without the mark.
"""

import os
import struct
import sys
import time

VARIABLE = b"RFLOW_GUARD="
SERIAL = struct.Struct("<Q")
GRACE_S = 5.0
AGAIN_S = 0.1
STUCK_S = 10.0  # after which a process that not even SIGKILL ends is given up


def live_serials(path: str) -> set[bytes]:
    """The serials of the attempts that are going on, as text; none if there is no file."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return set()
    whole = len(content) - len(content) % SERIAL.size
    return {b"%d" % serial for (serial,) in SERIAL.iter_unpack(content[:whole]) if serial}


def marked(mark: bytes, serials: set[bytes]) -> dict[int, int]:
    """The processes with this mark (a prefix) and one of the serials: number → open pidfd."""
    found: dict[int, int] = {}
    start = VARIABLE + mark
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            # Opened before it is looked at, so that what is ended is what was looked at.
            fd = os.pidfd_open(int(name))
        except OSError:
            continue
        if _has(name, start, serials):
            found[int(name)] = fd
        else:
            os.close(fd)
    return found


def _has(name: str, start: bytes, serials: set[bytes]) -> bool:
    try:
        with open(f"/proc/{name}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        return False  # it is gone, or somebody else's
    if start not in environment:
        return False
    return any(
        entry.startswith(start) and entry.rpartition(b".")[2] in serials
        for entry in environment.split(b"\0")
    )


def end_marked(mark: bytes, serials: set[bytes], grace_s: float = GRACE_S) -> int:
    """End all processes with this mark: SIGTERM, after `grace_s` SIGKILL, until two looks in a
    row find none (one may just have been starting another). How many there were."""
    import contextlib
    import signal

    ended: set[int] = set()
    clear = 0
    kill_at = time.monotonic() + grace_s
    while serials and clear < 2 and time.monotonic() < kill_at + STUCK_S:
        found = marked(mark, serials)
        clear = 0 if found else clear + 1
        for number, fd in found.items():
            late = time.monotonic() >= kill_at
            if late or number not in ended:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL if late else signal.SIGTERM)
            ended.add(number)
        _wait(list(found.values()), kill_at)
    return len(ended)


def _wait(fds: list[int], kill_at: float) -> None:
    """Wait until these processes have ended or it is time to look again."""
    import select

    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    left = kill_at - time.monotonic()
    pause = AGAIN_S if not fds or left <= 0 else left
    if not fds:
        time.sleep(pause)
    until = time.monotonic() + pause
    waiting = set(fds)
    while waiting and (left := until - time.monotonic()) > 0:
        for fd, _ in poller.poll(left * 1000):
            poller.unregister(fd)
            waiting.discard(fd)
    for fd in fds:
        os.close(fd)


def main(path: str, mark: str, grace_s: float) -> None:
    """Wait for the end of the runner, then end what it left behind."""
    os.chdir("/")
    while os.read(0, 64):
        pass
    end_marked(mark.encode(), live_serials(path), grace_s)

    import contextlib

    with contextlib.suppress(OSError):
        os.unlink(path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
