"""A run as a tree of groups and nodes, in as many lines as there is room for."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from rflow.cli import status, times
from rflow.cli.board import Board, GroupRow, Row
from rflow.cli.cells import cells, clean, fit, pad
from rflow.cli.terminal import ENDLESS, Pen

ORDER = ("running", "retrying", "waiting", "failed", "cancelled", "pending", "success")
"""A group's status is the first of these that one of its members has."""

SECTIONS = {"undo": "undo", "failure": "on failure", "finally": "finally"}
NAME_MAX = 34


class Look(Struct, frozen=True):
    """How to show: colours, columns, and what time it is."""

    pen: Pen
    width: int
    now: float


class _Item(Struct, frozen=True):
    depth: int
    row: Row | None = None
    group: GroupRow | None = None
    title: str = ""


def group_status(statuses: Iterable[str]) -> str:
    """The status of a group whose members have these."""
    present = set(statuses)
    for candidate in ORDER:
        if candidate in present:
            return candidate
    return "skipped"


def tree(board: Board, look: Look, height: int | None = None) -> list[str]:
    """The lines of the tree; at most `height`, the rows that move first of all."""
    items = _items(board)
    left = 0
    if height is not None and _length(items) > height:
        items, left = _shortened(board, items, height - 1)
    members = _members(board)
    name_width = min(
        NAME_MAX if look.width < ENDLESS else ENDLESS,
        max(12, look.width // 2 - 4),
        max((cells(_label(item)) + 2 * item.depth for item in items), default=12),
    )
    lines = []
    for item in items:
        lines += _lines(item, members, name_width, look)
    if left:
        lines.append(look.pen.dim(f"  … {left} more: {summary(board)}"))
    return lines


def summary(board: Board) -> str:
    """`12 success, 3 running, 40 pending`."""
    order = ("failed", "cancelled", "running", "retrying", "waiting", "success", "skipped")
    counts = [(board.count(name), name) for name in (*order, "pending")]
    return ", ".join(f"{count} {name}" for count, name in counts if count)


def _items(board: Board) -> list[_Item]:
    """All there is to show, in order: groups stand before their first member."""
    items: list[_Item] = []
    opened: list[str] = []
    section = "main"
    for row in _rows(board):
        if row.section != section:
            section, opened = row.section, []
            items.append(_Item(0, title=SECTIONS.get(section, section)))
        base = 0 if section == "main" else 1
        path = _path(board, row.group)
        common = 0
        while common < min(len(path), len(opened)) and path[common] == opened[common]:
            common += 1
        for depth in range(common, len(path)):
            items.append(_Item(depth + base, group=board.groups[path[depth]]))
        opened = path
        items.append(_Item(len(path) + base, row=row))
    return items


def _rows(board: Board) -> list[Row]:
    """The rows by section; `on failure` only once it has begun."""
    by_section: dict[str, list[Row]] = {"main": [], "undo": [], "failure": [], "finally": []}
    for row in board.rows.values():
        by_section.setdefault(row.section, []).append(row)
    if all(row.status == "pending" for row in by_section["failure"]):
        del by_section["failure"]
    return [row for rows in by_section.values() for row in rows]


def _path(board: Board, group: str | None) -> list[str]:
    path = []
    while group is not None and group in board.groups:
        path.append(group)
        group = board.groups[group].parent
    return path[::-1]


def _members(board: Board) -> dict[str, list[str]]:
    """Group → statuses of all nodes in it, in groups inside it as well."""
    found: dict[str, list[str]] = {}
    for row in board.rows.values():
        for group in _path(board, row.group):
            found.setdefault(group, []).append(row.status)
    return found


def _length(items: list[_Item]) -> int:
    return sum(2 if item.row and item.row.answer else 1 for item in items)


def _shortened(board: Board, items: list[_Item], room: int) -> tuple[list[_Item], int]:
    """Only what moves, waits or failed, with the groups around it; and how many nodes are left."""
    wanted = [
        item
        for item in items
        if item.row and item.row.status not in ("success", "pending", "skipped")
    ]
    wanted.sort(key=lambda item: item.row is not None and item.row.status == "cancelled")
    chosen: set[int] = set()
    groups: set[str] = set()
    used = 0
    for item in wanted:
        assert item.row is not None
        around = set(_path(board, item.row.group)) - groups
        cost = (2 if item.row.answer else 1) + len(around)
        if used + cost > room:
            break
        used += cost
        groups |= around
        chosen.add(id(item))
    kept = [
        item
        for item in items
        if id(item) in chosen or (item.group is not None and item.group.id in groups)
    ]
    shown_groups: set[str] = set()
    unique = []
    for item in kept:
        if item.group is not None:
            if item.group.id in shown_groups:
                continue
            shown_groups.add(item.group.id)
        unique.append(item)
    return unique, len(board.rows) - len(chosen)


def _label(item: _Item) -> str:
    if item.row is not None:
        return clean(item.row.id)
    return clean(item.group.id) if item.group is not None else item.title


def _lines(item: _Item, members: dict[str, list[str]], name_width: int, look: Look) -> list[str]:
    pen = look.pen
    indent = "  " * item.depth
    name = pad(_label(item), max(4, name_width - len(indent)))
    if item.row is None and item.group is None:
        return [pen.dim(item.title)]
    if item.row is None:
        assert item.group is not None
        state = group_status(members.get(item.group.id, ()))
        parts = f"{indent}{status.sign(state, pen)} {pen.bold(name)}"
        return [fit(f"{parts}  {pen.dim(item.group.order)}".rstrip(), look.width)]
    row = item.row
    head = f"{indent}{status.sign(row.status, pen)} {name}  {status.word(row.status, pen)}"
    said = " ".join(filter(None, [head, details(row, look)]))
    lines = [fit(said, look.width)]
    if row.answer:
        answer = f"{indent}    {pen.cyan(row.answer)}"
        lines.append(fit(answer, look.width))
    return lines


def details(row: Row, look: Look) -> str:
    """What is to be said of a node beside its status."""
    pen, parts = look.pen, []
    if row.attempt > 1 or (row.status == "retrying"):
        of = f" of {row.attempts_max}" if row.attempts_max >= row.attempt else ""
        parts.append(f"attempt {row.attempt}{of}")
    if row.started_at is not None:
        end = row.ended_at if row.ended_at is not None else look.now
        parts.append(times.span(end - row.started_at))
    if row.status == "waiting" and row.needed > 1:
        parts.append(f"{len(row.approvals)} of {row.needed} approved")
    if row.waits:
        parts.append(clean(row.waits))
    if row.note and row.status in ("failed", "retrying", "skipped", "cancelled"):
        parts.append(clean(row.note))
    return pen.dim(" · ").join(parts)
