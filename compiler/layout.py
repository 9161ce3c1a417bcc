"""Places for boxes in layers, from top to bottom, so that arrows point down.

This module owns geometry, nothing of plans: boxes are sizes, arrows are pairs of numbers, each
from a lower number to a higher one. The way is that of Sugiyama, Tagawa and Toda ("Methods for
visual understanding of hierarchical system structures", 1981): layers by the longest way, a bend
in each layer that an arrow passes, an order within layers by the mean of the neighbours, places by
least squares (pool adjacent violators) that keep the order and the gaps. Deterministic; the time
is near to proportional to boxes, arrows and bends.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

GAP_X, GAP_Y = 28.0, 44.0
BENDS_MAX = 20_000
_SWEEPS = 6

Point = tuple[float, float]


class Layout(Struct):
    """The left upper corner of each box, top and bottom of its row, the points that each arrow
    passes between its ends, and the size of the whole. Boxes stand at the top of their row."""

    corners: list[Point]
    rows: list[Point]
    bends: dict[tuple[int, int], list[Point]]
    width: float
    height: float


class _Graph(Struct):
    """Boxes and bends in layers; a bend is a box without a size."""

    sizes: list[Point]
    layer: list[int]
    above: list[list[int]] = field(default_factory=list)
    below: list[list[int]] = field(default_factory=list)
    chains: dict[tuple[int, int], list[int]] = field(default_factory=dict)


def lay_out(sizes: Sequence[Point], arrows: Sequence[tuple[int, int]]) -> Layout:
    """Where boxes of these sizes stand. Arrows that do not go upwards in number are left out."""
    if not sizes:
        return Layout([], [], {}, 0.0, 0.0)
    graph = _graph(sizes, sorted({(a, b) for a, b in arrows if a < b}))
    rows = _ordered(graph)
    xs = _across(graph, rows)
    tops, bottoms = _down(graph, rows)
    left = min(x - graph.sizes[n][0] / 2 for n, x in enumerate(xs))
    right = max(x + graph.sizes[n][0] / 2 for n, x in enumerate(xs))
    corners = [
        (xs[n] - left - width / 2, tops[graph.layer[n]]) for n, (width, _) in enumerate(sizes)
    ]
    spans = [(tops[depth], bottoms[depth]) for depth in graph.layer[: len(sizes)]]
    bends: dict[tuple[int, int], list[Point]] = {}
    for pair, chain in graph.chains.items():
        points = bends[pair] = []
        for n in chain:
            x, depth = xs[n] - left, graph.layer[n]
            points += ((x, tops[depth]), (x, bottoms[depth]))
    return Layout(corners, spans, bends, right - left, bottoms[-1])


def _graph(sizes: Sequence[Point], arrows: list[tuple[int, int]]) -> _Graph:
    layer = [0] * len(sizes)
    before: list[list[int]] = [[] for _ in sizes]
    for source, target in arrows:
        before[target].append(source)
    for number, sources in enumerate(before):
        layer[number] = max((layer[source] + 1 for source in sources), default=0)
    graph = _Graph(list(sizes), layer)
    bent = sum(layer[b] - layer[a] - 1 for a, b in arrows) <= BENDS_MAX
    for source, target in arrows:
        chain = []
        if bent:
            for depth in range(layer[source] + 1, layer[target]):
                chain.append(len(graph.sizes))
                graph.sizes.append((4.0, 0.0))
                layer.append(depth)
        graph.chains[source, target] = chain
    graph.above = [[] for _ in graph.sizes]
    graph.below = [[] for _ in graph.sizes]
    for (source, target), chain in graph.chains.items():
        for a, b in zip((source, *chain), (*chain, target), strict=True):
            graph.below[a].append(b)
            graph.above[b].append(a)
    return graph


def _ordered(graph: _Graph) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(max(graph.layer) + 1)]
    for number, depth in enumerate(graph.layer):
        rows[depth].append(number)
    place = [0.0] * len(graph.sizes)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = graph.above if down else graph.below
        for row in rows if down else reversed(rows):
            keys = {
                number: sum(place[n] for n in near[number]) / len(near[number])
                if near[number]
                else place[number]
                for number in row
            }
            row.sort(key=keys.__getitem__)
            for at, number in enumerate(row):
                place[number] = at - (len(row) - 1) / 2
    return rows


def _across(graph: _Graph, rows: list[list[int]]) -> list[float]:
    xs = [0.0] * len(graph.sizes)
    for row in rows:
        at = 0.0
        for number in row:
            xs[number] = at + graph.sizes[number][0] / 2
            at += graph.sizes[number][0] + GAP_X
        for number in row:
            xs[number] -= (at - GAP_X) / 2
    for sweep in range(_SWEEPS + 1):
        down = sweep % 2 == 0
        near = graph.above if down else graph.below
        for row in rows if down else reversed(rows):
            wanted = [
                sum(xs[n] for n in near[number]) / len(near[number]) if near[number] else xs[number]
                for number in row
            ]
            for number, x in zip(row, _kept_apart(graph, row, wanted), strict=True):
                xs[number] = x
    return xs


def _kept_apart(graph: _Graph, row: list[int], wanted: list[float]) -> list[float]:
    """The places nearest to those wanted, by least squares, that keep the order and the gaps."""
    offsets, at = [], 0.0
    for left, right in zip([None, *row[:-1]], row, strict=True):
        if left is not None:
            at += (graph.sizes[left][0] + graph.sizes[right][0]) / 2 + GAP_X
        offsets.append(at)
    blocks: list[tuple[float, float, int]] = []  # the sum of weighted places, weight, length
    for number, want, offset in zip(row, wanted, offsets, strict=True):
        weight = 4.0 if graph.sizes[number][1] == 0 else 1.0
        total, length = (want - offset) * weight, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / weight:
            other = blocks.pop()
            total, weight, length = total + other[0], weight + other[1], length + other[2]
        blocks.append((total, weight, length))
    placed: list[float] = []
    for total, weight, length in blocks:
        placed += [total / weight] * length
    return [x + offset for x, offset in zip(placed, offsets, strict=True)]


def _down(graph: _Graph, rows: list[list[int]]) -> tuple[list[float], list[float]]:
    tops, bottoms, at = [], [], 0.0
    for row in rows:
        tops.append(at)
        at += max(graph.sizes[number][1] for number in row)
        bottoms.append(at)
        at += GAP_Y
    return tops, bottoms
