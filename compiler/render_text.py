"""A plan as text that shows a release at a glance.

This module owns the printout of `rflow compile`: what starts the flow, its nodes in waves with
their kinds, gates, locks, retries and contracts, and what of it can be taken back. It fits the
width it is given, needs no colour, and has a plain form for terminals without Unicode. Texts from
the plan are shown without control characters, so that they cannot steer a terminal.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field
from rflow.compiler.durations import show_duration
from rflow.compiler.explain import show_expr
from rflow.compiler.notes import (
    args_of,
    cells,
    changes,
    clean,
    gate_of,
    names_of_loops,
    notes_of,
    padded,
    short,
    stage_of,
)
from rflow.compiler.plan import Node, Plan, Section
from rflow.compiler.waves import coverage, listed, sections, waves

_TITLES: dict[Section, str] = {
    "main": "",
    "failure": "on failure",
    "finally": "finally, however the run ends",
}
_PLAIN = {"⛔": "#", "◆": "*", "→": "->", " · ": "; ", "…": "...", "×": "x", "↶": "<-"}
_LABEL = 12
_NAME_MAX, _KIND_MAX = 28, 20

Colour = Literal["bold", "dim", "red", "green", "yellow"]
_CODES: dict[Colour, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def waves_text(plan: Plan, *, width: int = 80, color: bool = False, plain: bool = False) -> str:
    """The plan as text, each line at most `width` cells wide (but not less than 40)."""
    page = _Page(plan, max(width, 40), color, plain)
    page.heading()
    for section in sections(plan):
        page.section(section)
    page.summary()
    return "".join(f"{line.rstrip()}\n" for line in page.lines)


class _Page(Struct):
    plan: Plan
    width: int
    color: bool
    plain: bool
    lines: list[str] = field(default_factory=list)

    # -- writing ---------------------------------------------------------------------------

    def text(self, text: str) -> str:
        if self.plain:
            for sign, instead in _PLAIN.items():
                text = text.replace(sign, instead)
            text = text.encode("ascii", "replace").decode()
        return text

    def paint(self, text: str, *colours: Colour) -> str:
        if not self.color or not text.strip():
            return text
        return f"\033[{';'.join(_CODES[c] for c in colours)}m{text}\033[0m"

    def wrapped(self, text: str, width: int) -> list[str]:
        """The text in lines of at most `width` cells; a longer word is cut.

        A dot between two notes stays with the first.
        """
        lines, line = [""], 0
        for word in self.text(clean(text)).replace(" · ", "\0· ").split(" "):
            word = word.replace("\0", " ")
            word, size = self.fit(word, width)
            if line and line + 1 + size > width:
                lines.append("")
                line = 0
            lines[-1] += f" {word}" if line else word
            line += size + (1 if line else 0)
        return lines

    def fit(self, word: str, width: int) -> tuple[str, int]:
        """The word in at most `width` cells, and how many it takes."""
        size = cells(word)
        if size <= width:
            return word, size
        end = "..." if self.plain else "…"
        while word and cells(word) + len(end) > width:
            word = word[: -max(1, (cells(word) + len(end) - width) // 2)]
        return word + end, cells(word) + len(end)

    def labelled(self, label: str, lines: list[str], *colours: Colour) -> None:
        """Lines behind a label, which stands once; no label where there is nothing to say."""
        for text in filter(None, lines):
            for piece in self.wrapped(text, self.width - _LABEL - 2):
                shown = self.paint(piece, *colours) if colours else piece
                self.lines.append(f"  {self.paint(label.ljust(_LABEL), 'dim')}{shown}")
                label = ""

    # -- the parts of the page -------------------------------------------------------------

    def heading(self) -> None:
        plan = self.plan
        title = f"flow {plan.flow}"
        if plan.stage is not None:
            title += f" → {plan.stage.pipeline}.{plan.stage.name}"
        self.lines += [self.paint(line, "bold") for line in self.wrapped(title, self.width)]
        if plan.doc:
            self.lines += [f"  {line}" for line in self.wrapped(plan.doc, self.width - 2)]
        self.lines.append("")
        before = len(self.lines)
        if plan.stage is not None:
            self.labelled("stage", [stage_of(plan.stage)])
        starts = " · ".join(f"{trigger.name}: {trigger.kind}" for trigger in plan.triggers)
        secrets = " · ".join(f"{s.name} from {s.source} {short(s.key)}" for s in plan.secrets)
        outputs = " · ".join(f"{output.name}: {output.type}" for output in plan.outputs)
        runs = f"concurrency {plan.concurrency}"
        if plan.timeout_s is not None:
            runs += f" · at most {show_duration(plan.timeout_s)} of running"
        self.labelled("starts by", [starts])
        self.labelled("arguments", list(args_of(plan)))
        self.labelled("secrets", [secrets])
        self.labelled("runs", [runs])
        self.labelled("outputs", [outputs])
        if len(self.lines) > before:
            self.lines.append("")

    def section(self, section: Section) -> None:
        found = waves(self.plan, section)
        if not found:
            return
        if _TITLES[section]:
            self.lines.append(self.paint(_TITLES[section], "bold"))
        shown = [(number, node) for number, wave in enumerate(found, 1) for node in wave]
        names = {node.id: self.text(self.name(node)) for _, node in shown}
        name_width = min(max(cells(name) for name in names.values()), _NAME_MAX)
        kind_width = min(max(cells(node.kind) for _, node in shown), _KIND_MAX)
        digits = max(2, len(str(len(found))))
        last = 0
        for number, node in shown:
            label = "" if number == last else str(number)
            last = number
            self.node(node, names[node.id], label.rjust(digits + 1), name_width, kind_width)
        self.lines.append("")

    def node(self, node: Node, name: str, label: str, name_width: int, kind_width: int) -> None:
        gate = node.approval is not None
        sign = self.text("⛔" if gate else "◆" if changes(node) else "")
        colours: tuple[Colour, ...] = ("yellow", "bold") if gate else ("bold",)
        lead = len(label) + 5
        indent = lead + name_width + 2 + kind_width + 2
        notes = " · ".join(notes_of(self.plan, node))
        if self.width - indent < 24:
            indent = lead + 2
        line = f"{self.paint(label, 'dim')}  {self.paint(padded(sign, 3), colours[0])}"
        fitted, size = self.fit(name, max(name_width, self.width - lead - 2 - kind_width))
        line += self.paint(fitted, *colours) + " " * (name_width - size)
        at = lead + max(size, name_width)
        if at + 2 + kind_width <= self.width:
            kind = self.fit(node.kind, max(kind_width, 8))[0]
            line += f"  {self.paint(padded(kind, kind_width), 'dim')}"
            at += 2 + max(cells(kind), kind_width)
        pieces = self.wrapped(notes, self.width - indent) if notes else []
        if pieces and at + 2 <= indent:
            line += " " * (indent - at) + pieces.pop(0)
        self.lines.append(line)
        self.lines += [" " * indent + piece for piece in pieces]

    def name(self, node: Node) -> str:
        """The node's id, with the names of its loops as its instances will have them."""
        loops = [loop.name for loop in self.plan.loops if loop.id in node.loops]
        return clean(f"{node.id}[{','.join(loops)}]" if loops else node.id)

    def summary(self) -> None:
        gates = [node for node in self.plan.nodes if node.approval is not None]
        self.labelled("gates", [gate_of(self.plan, node) for node in gates], "yellow")
        locks: dict[str, list[str]] = {}
        loops = names_of_loops(self.plan)
        for node in self.plan.nodes:
            if node.lock is not None:
                locks.setdefault(show_expr(node.lock, loops), []).append(node.id)
        self.labelled("locks", [f"{lock} for {listed(ids)}" for lock, ids in locks.items()])
        found = coverage(self.plan)
        lines = found.lines()
        risky = len(found.irreversible) + len(found.silent)
        safe = len(lines) - risky
        self.labelled("rollback", lines[:safe], *(("green",) if found.total and not risky else ()))
        self.labelled("" if safe else "rollback", lines[safe:], "red")
        failure = any(node.section == "failure" for node in self.plan.nodes)
        if self.plan.rollback_on_failure:
            then = ", then its nodes for that run" if failure else ""
            self.labelled("on failure", [f"what the run did is undone, last first{then}"])
        elif found.total and not failure:
            self.labelled("on failure", ["what the run did stays as it is"])
        effect = ["◆ changes something outside the run"] if found.total else []
        gate = ["⛔ waits for people"] if gates else []
        self.labelled("signs", [" · ".join(effect + gate)], "dim")
