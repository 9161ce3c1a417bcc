"""A terminal for the examples of one page: its commands are run, what they print is compared.

What differs from one reader to the next is not compared: the ids of runs (the page's id stands for
the reader's, in commands too), digests, dates, clock times, and how long something took. `…`
stands for any text within a line; on a line of its own, for any lines.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from .pages import Block

LONGEST_S = 60
"""As long may a command take before the test gives up on it."""

_RUN = r"\b(?=[a-z2-9]*[0-9])(?=[a-z2-9]*[a-z])[a-hjkmnp-z2-9]{8}\b"
_TOKEN = re.compile(
    rf"(?P<run>{_RUN})"
    r"|(?P<digest>\bsha256:[0-9a-f]{8,})"
    r"|(?P<iso>\b\d{4}-\d\d-\d\dT[\d:.]+Z)"
    r"|(?P<date>\b\d{4}-\d\d-\d\d\b)"
    r"|(?P<clock>\b\d\d:\d\d(?::\d\d)?\b)"
    r"|(?P<took>\b\d+(?:\.\d+)?(?:ms|s)\b)"
    r"|(?P<ago>\bjust now\b|\b\d+ (?:s|min|h|days?) ago\b)"
    r"|(?P<any>…)"
    r"|(?P<gap> {2,})"
)
_PATTERNS = {
    "digest": r"sha256:[0-9a-f]{8,}",
    "iso": r"\d{4}-\d\d-\d\dT[\d:.]+Z",
    "date": r"\d{4}-\d\d-\d\d",
    "clock": r"\d\d:\d\d(?::\d\d)?",
    "took": r"(?:\d+(?:\.\d+)?(?:ms|s)|\d+m\d+s)",
    "ago": r"(?:just now|\d+ \w+ ago)",
    "any": r".*?",
    "gap": r" {2,}",
}


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command of a block with what it prints. After `\\` it goes on in the next line."""
    found: list[tuple[str, str]] = []
    more = False
    for line in block.text.splitlines(keepends=True):
        if more:
            command, printed = found.pop()
            found.append((f"{command}\n{line.rstrip()}", printed))
        elif line.startswith("$ "):
            found.append((line[2:].rstrip(), ""))
        elif found:
            command, printed = found.pop()
            found.append((command, printed + line))
        else:
            found.append(("", line))
            continue
        more = found[-1][0].endswith("\\") and not found[-1][1]
    return found


@dataclass
class Running:
    """A command that goes on, in a terminal of its own; `printed` is what it has said so far."""

    process: subprocess.Popen[bytes]
    printed: str = ""

    def read(self, until: float) -> bool:
        """Wait for more; False when nothing more can come."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(until - time.monotonic()):
                raise AssertionError(f"nothing more came, after:\n{self.printed}")
        data = os.read(self.process.stdout.fileno(), 65536)
        self.printed += data.decode("utf-8", "replace")
        return bool(data)

    def end(self) -> None:
        """End it, with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Session:
    """The folder of one page, and what is known of its commands."""

    folder: Path
    environment: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)

    def play(self, block: Block) -> str | None:
        """Do what a block says; what it printed instead, if it was not what stands there."""
        wanted = int(block.marks.get("exit", "0"))
        if name := block.marks.get("end"):
            return self._finish(block, name, wanted)
        shown, wrong = "", False
        for command, expected in commands(block):
            assert command, f"{block}: what stands there is printed by no command"
            running = self._start(f"exec {command}" if "start" in block.marks else command)
            self.running[block.marks.get("start", "")] = running
            if "start" in block.marks:
                assert expected.strip(), f"{block}: say until when to wait"
                while self._match(expected, running.printed, whole=False) is None:
                    if not running.read(time.monotonic() + LONGEST_S):
                        break
            else:
                self._drain(running)
                running.end()
                code = running.process.returncode
                assert code == wanted, f"{block}: `{command}` ended with {code}:\n{running.printed}"
            shown += f"$ {command}\n{self._for_page(running.printed)}"
            match = self._match(expected, running.printed, whole="start" not in block.marks)
            wrong = wrong or match is None
            running.printed = running.printed[match or 0 :]
        return shown if wrong else None

    def _finish(self, block: Block, name: str, wanted: int) -> str | None:
        running = self.running.pop(name)
        self._drain(running)
        running.end()
        code = running.process.returncode
        assert code == wanted, f"{block}: `{name}` ended with {code}:\n{running.printed}"
        matched = self._match(block.text, running.printed, whole=True)
        return self._for_page(running.printed) if matched is None else None

    def order(self, text: str) -> None:
        """Do what `<!-- test: … -->` says."""
        word, _, rest = text.partition(" ")
        if word == "kill":
            self.running.pop(rest).end()
        elif word == "install":
            self._install(self.folder / rest)
        else:
            raise AssertionError(f"there is no order `{word}`")

    def _install(self, pyproject: Path) -> None:
        """As `pip install -e .` would, which needs a network: its metadata, and its folder on the
        path."""
        project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
        name, version = project["name"], project["version"]
        info = self.folder / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        points = project["entry-points"]["rflow"]
        lines = "".join(f"{key} = {value}\n" for key, value in points.items())
        (info / "entry_points.txt").write_text(f"[rflow]\n{lines}")
        self.environment["PYTHONPATH"] = f"{self.folder}:{info.parent}"

    def write(self, block: Block) -> None:
        """Write, or (`diff`) change, the file that the block names."""
        path = self.folder / block.marks["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if block.language == "diff":
            path.write_text(changed(path.read_text("utf-8"), block), "utf-8")
        elif "more" in block.marks:
            path.write_text(f"{path.read_text('utf-8')}\n\n{block.text}", "utf-8")
        else:
            path.write_text(block.text, "utf-8")

    def close(self) -> None:
        """End what still goes on."""
        for running in self.running.values():
            running.end()

    def _start(self, command: str) -> Running:
        for page, actual in self.ids.items():
            command = command.replace(page, actual)
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return Running(process)

    def _drain(self, running: Running) -> None:
        until = time.monotonic() + LONGEST_S
        while running.read(until):
            pass
        running.process.wait()

    def _match(self, expected: str, printed: str, *, whole: bool) -> int | None:
        """Where what is expected ends in what was printed; None if it is not there."""
        groups: dict[str, str] = {}
        pattern = "".join(self._line(line, groups) for line in expected.splitlines())
        found = re.compile(pattern + (r"\s*\Z" if whole else "")).match(plain(printed))
        if found is None:
            return None
        new = {id: found[group] for id, group in groups.items()}
        if set(new.values()) & set(self.ids.values()):
            return None  # the page gives one run two ids
        self.ids.update(new)
        return found.end()

    def _for_page(self, printed: str) -> str:
        """What was printed, with the page's ids and without this machine's folders."""
        for page, actual in self.ids.items():
            printed = printed.replace(actual, page)
        return printed.replace(str(self.folder), "…")

    def _line(self, line: str, groups: dict[str, str]) -> str:
        if line.strip() == "…":
            return r"(?:[^\n]*\n)*?"
        parts, at = [], 0
        for token in _TOKEN.finditer(line := line.rstrip()):
            parts.append(re.escape(line[at : token.start()]))
            at = token.end()
            kind, text = token.lastgroup or "", token[0]
            if kind != "run":
                parts.append(_PATTERNS[kind])
            elif text in self.ids:
                parts.append(re.escape(self.ids[text]))
            elif text in groups:
                parts.append(f"(?P={groups[text]})")
            else:
                groups[text] = f"run{len(groups)}"
                parts.append(f"(?P<{groups[text]}>[a-z2-9]{{8}})")
        return "".join(parts) + re.escape(line[at:]) + " *\n"


def plain(printed: str) -> str:
    """What was printed, line ends made the same."""
    return printed if printed.endswith("\n") or not printed else printed + "\n"


def changed(text: str, block: Block) -> str:
    """The text with a change made: the lines of the block without `+` are found in it, once."""
    lines = block.text.splitlines(keepends=True)
    before = "".join(line[1:] or "\n" for line in lines if line[0] in " -\n")
    after = "".join(line[1:] or "\n" for line in lines if line[0] in " +\n")
    assert text.count(before) == 1, (
        f"{block}: what is to be changed stands {text.count(before)} times"
    )
    return text.replace(before, after)
