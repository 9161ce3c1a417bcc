"""Tables that fit the terminal: columns that matter less go first, one column gives way."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rflow.cli.cells import cells, fit, fit_end, pad
from rflow.cli.terminal import Pen

GAP = 2


class Column(Struct, frozen=True):
    """A column. `rank`: those with the highest leave first where space is short (0 never does).

    `flexible`: it is cut where a line would be too long, down to `least` cells; with `keep_end`
    at its beginning.
    """

    title: str
    rank: int = 0
    flexible: bool = False
    least: int = 12
    keep_end: bool = False


def lay_out(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, pen: Pen
) -> list[str]:
    """The lines of the table, its head first. Cells may hold colours."""
    chosen = list(range(len(columns)))
    sizes = [
        max([cells(column.title), *(cells(row[index]) for row in rows)])
        for index, column in enumerate(columns)
    ]

    def least(index: int) -> int:
        flexible = columns[index].flexible
        return min(sizes[index], columns[index].least) if flexible else sizes[index]

    def total(size_of: list[int]) -> int:
        return sum(size_of) + GAP * (len(size_of) - 1)

    while total([least(index) for index in chosen]) > width:
        droppable = [index for index in chosen if columns[index].rank]
        if not droppable:
            break
        chosen.remove(max(droppable, key=lambda index: columns[index].rank))
    over = total([sizes[index] for index in chosen]) - width
    for index in chosen:
        if over > 0 and columns[index].flexible:
            given = min(over, sizes[index] - least(index))
            sizes[index] -= given
            over -= given
    used = [sizes[index] for index in chosen]
    lines = [_line([pen.dim(columns[i].title) for i in chosen], used, width)]
    for row in rows:
        texts = [
            fit_end(row[index], sizes[index]) if columns[index].keep_end else row[index]
            for index in chosen
        ]
        lines.append(_line(texts, used, width))
    return lines


def _line(texts: list[str], sizes: list[int], width: int) -> str:
    padded = [pad(text, size) for text, size in zip(texts[:-1], sizes[:-1], strict=True)]
    last = fit(texts[-1], sizes[-1])
    return fit((" " * GAP).join([*padded, last]).rstrip(), width)
