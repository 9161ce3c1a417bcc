"""Order and circles in graphs given as lists: `before[n]` are the numbers that n waits for.

This module owns the few algorithms on graphs that checking needs. All are iterative and linear;
none walks paths.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

Before = Sequence[Sequence[int]]


def after(before: Before) -> list[list[int]]:
    """The same edges from the other end."""
    found: list[list[int]] = [[] for _ in before]
    for number, sources in enumerate(before):
        for source in sources:
            found[source].append(number)
    return found


def in_order(before: Before) -> list[int]:
    """The numbers, each after all it waits for; those on or behind a circle are left out."""
    left = [len(sources) for sources in before]
    ready = deque(number for number, count in enumerate(left) if count == 0)
    behind = after(before)
    ordered: list[int] = []
    while ready:
        number = ready.popleft()
        ordered.append(number)
        for target in behind[number]:
            left[target] -= 1
            if left[target] == 0:
                ready.append(target)
    return ordered


def circles(before: Before) -> list[list[int]]:
    """One circle for each knot of the graph, a shortest one through the knot's lowest number.

    A circle [a, b, c] says: a waits for c, b for a, c for b. The circles are sorted.
    """
    found: list[list[int]] = []
    for knot in knots(before):
        inside = set(knot)
        if len(knot) == 1 and knot[0] not in before[knot[0]]:
            continue
        found.append(_shortest(before, min(knot), inside))
    return sorted(found)


def _shortest(before: Before, start: int, inside: set[int]) -> list[int]:
    """The shortest way from `start`, against the edges, back to it."""
    came: dict[int, int] = {}
    queue = deque([start])
    while queue:
        number = queue.popleft()
        for source in sorted(before[number]):
            if source == start:
                path = [number]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return [start, *path[:-1]]
            if source in inside and source not in came:
                came[source] = number
                queue.append(source)
    raise AssertionError("a knot without a circle")


def knots(before: Before) -> list[list[int]]:
    """The strongly connected components (Tarjan's algorithm, with a stack of its own)."""
    index: list[int] = [-1] * len(before)
    low: list[int] = [0] * len(before)
    on_stack = [False] * len(before)
    stack: list[int] = []
    found: list[list[int]] = []
    count = 0
    for root in range(len(before)):
        if index[root] != -1:
            continue
        work = [(root, 0)]
        while work:
            number, at = work.pop()
            if at == 0:
                index[number] = low[number] = count
                count += 1
                stack.append(number)
                on_stack[number] = True
            sources = before[number]
            for position in range(at, len(sources)):
                source = sources[position]
                if index[source] == -1:
                    work.append((number, position + 1))
                    work.append((source, 0))
                    break
                if on_stack[source]:
                    low[number] = min(low[number], index[source])
            else:
                if low[number] == index[number]:
                    knot: list[int] = []
                    while True:
                        member = stack.pop()
                        on_stack[member] = False
                        knot.append(member)
                        if member == number:
                            break
                    found.append(sorted(knot))
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[number])
    return found
