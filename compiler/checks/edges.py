"""The edges of a flow's graph: `after`, references, sequences and groups; and what is wrong there.

This module owns the shape of one flow's graph, with its uses still whole. A group or a `use` has
two vertices, its start and its end, so that the number of edges stays linear; `inline` makes the
graph of a plan from these shapes.
"""

from __future__ import annotations

from msgspec import Struct, field
from rflow.compiler.checks import edge_codes as codes
from rflow.compiler.checks.report import listed
from rflow.compiler.order import circles, in_order
from rflow.compiler.scope import Flow, Loop, Member
from rflow.dsl import ast
from rflow.dsl.diagnostics import Label

SIZE_MAX = 200_000
"""So many nodes a flow may have, all that it uses put in place."""

BODY, START, END, PAST = 0, 1, 2, 3
_SUFFIX = {BODY: "", START: ":start", END: ":end"}


class Shape(Struct, eq=False):
    """Vertices by number: whose, which part of it, and the numbers that it waits for.

    `suffix` makes a vertex's id of its member's name; `depth` is how many of the member's loops it
    stands in. `enter` and `leave` are the first and last vertex of each member, by its index.
    `first` and `last` are the members at top level of the main section that nothing stands before
    or behind.
    """

    owner: list[Member] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    before: list[list[int]] = field(default_factory=list)
    suffix: list[str] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    enter: list[int] = field(default_factory=list)
    leave: list[int] = field(default_factory=list)
    first: list[Member] = field(default_factory=list)
    last: list[Member] = field(default_factory=list)

    def add(self, member: Member, part: int, before: list[int]) -> int:
        """A new vertex; the start and the end of a loop stand outside of it."""
        self.owner.append(member)
        self.part.append(part)
        self.before.append(before)
        self.suffix.append(_SUFFIX.get(part, ""))
        outside = part != BODY and member.loop is not None
        self.depth.append(len(member.loops) - outside)
        return len(self.owner) - 1


def check_after(flow: Flow) -> None:
    """Find the members that `after` names."""
    report = flow.file.report
    members = flow.members
    for member in flow.all:
        for name in member.tree.after:
            other = members.get(name.text)
            if other is None:
                flow.broken = True
                _unknown(flow, name)
            elif other is member:
                flow.broken = True
                report.error(
                    codes.AFTER_ITSELF,
                    name.span,
                    f"{member.word} cannot wait for itself",
                    help="take the name out of its `after`",
                )
            elif other.section != member.section:
                _across(flow, member, other, name)
            else:
                member.after.setdefault(other, name.span)
        if member.kind == "group" and not member.children:
            if report.damaged(member.tree.span):
                continue
            report.error(
                codes.EMPTY_GROUP,
                member.tree.name.span,
                f"{member.word} is empty",
                help="put nodes into it, or take it out",
            )


def _unknown(flow: Flow, name: ast.Name) -> None:
    word = name.text
    report = flow.file.report
    if word in flow.triggers or word == "trigger":
        report.error(
            codes.UNKNOWN_AFTER,
            name.span,
            f"`{word}` is a trigger: nothing waits for it",
            help="a run starts when its trigger has fired; take this out",
        )
        return
    known = list(flow.members)
    report.unknown(
        codes.UNKNOWN_AFTER,
        name.span,
        word,
        f"there is no node or group `{word}`",
        known,
        help=f"there are {listed(known)}" if len(known) > 1 else None,
    )


def _across(flow: Flow, member: Member, other: Member, name: ast.Name) -> None:
    words = {"main": "the flow's own part", "failure": "`on failure`", "finally": "`finally`"}
    report = flow.file.report
    report.error(
        codes.ACROSS,
        name.span,
        f"`after` cannot reach from {words[member.section]} into {words[other.section]}",
        labels=(report.label(other.tree.name.span, f"{other.word} stands here"),),
        help="the parts run one after the other by themselves; take this out",
    )


# -- the shape -----------------------------------------------------------------------------------


def shape_of(flow: Flow) -> Shape:
    """The graph of a flow, its uses whole. Every vertex's number is above those of its group's
    start, and vertices follow the text."""
    shape = Shape()
    inner_first, inner_last = _ends(flow)
    for member in flow.all:
        _vertices(shape, member)
    before, enter, leave = shape.before, shape.enter, shape.leave
    for member in flow.all:
        mine = before[enter[member.index]]
        for other in (*member.after, *member.reads):
            if other.section == member.section:
                mine.append(leave[other.index])
        parent = member.parent
        if parent is not None and member not in inner_first:
            mine.append(enter[parent.index])
        if parent is not None and member not in inner_last:
            before[leave[parent.index]].append(leave[member.index])
        if member.kind == "group" and isinstance(member.tree, ast.GroupBlock):
            if not member.children:
                before[leave[member.index]].append(enter[member.index])
            if member.tree.order == "sequence":
                for one, two in zip(member.children, member.children[1:], strict=False):
                    before[enter[two.index]].append(leave[one.index])
        elif member.kind == "use":
            before[leave[member.index]].append(enter[member.index])
        if parent is None and member.section == "main":
            if member not in inner_first:
                shape.first.append(member)
            if member not in inner_last:
                shape.last.append(member)
    return shape


def _vertices(shape: Shape, member: Member) -> None:
    loop = member.loop
    hollow = loop is not None and not loop.filled
    if member.kind in ("node", "approve") and not hollow:
        number = shape.add(member, BODY, [])
        shape.enter.append(number)
        shape.leave.append(number)
        return
    start = shape.add(member, START, [])
    end = shape.add(member, END, [])
    if member.kind in ("node", "approve"):
        body = shape.add(member, BODY, [start])
        shape.before[end].append(body)
    if hollow and member.kind != "group":
        # Without a turn nothing is between, yet what comes behind waits for what is before. For a
        # group see `pass_loops`.
        shape.before[end].append(start)
    shape.enter.append(start)
    shape.leave.append(end)


def _ends(flow: Flow) -> tuple[set[Member], set[Member]]:
    """The members that wait for, and those waited for by, another of the same group."""
    waiting: set[Member] = set()
    awaited: set[Member] = set()
    for member in flow.all:
        if isinstance(member.tree, ast.GroupBlock) and member.tree.order == "sequence":
            waiting.update(member.children[1:])
            awaited.update(member.children[:-1])
        for other in (*member.after, *member.reads):
            if other.section != member.section:
                continue
            if member.parent is other.parent or _within(other, member.parent):
                waiting.add(member)
            if member.parent is other.parent or _within(member, other.parent):
                awaited.add(other)
    return waiting, awaited


def _within(member: Member, group: Member | None) -> bool:
    if group is None:
        return True
    around = member.parent
    while around is not None:
        if around is group:
            return True
        around = around.parent
    return False


def pass_loops(shape: Shape) -> None:
    """Let what waits for a part of a loop wait, too, for all that this part waits for outside.

    Without a turn of the loop there is nothing of that part, but what came before it still comes
    before what is behind it. For each edge out of a group whose list may be empty, the way through
    the group is drawn once more, past it.
    """
    if not any(_is_hollow_group(member) for member in set(shape.owner)):
        return
    before = [list(sources) for sources in shape.before]
    made: dict[tuple[int, int], int] = {}
    for target in range(len(before)):
        around = shape.owner[target].loops[: shape.depth[target]]
        for source in before[target]:
            loops = shape.owner[source].loops[: shape.depth[source]]
            for at, loop in enumerate(loops):
                if loop not in around and _is_hollow_group(loop.owner):
                    shape.before[target].append(_past(shape, before, made, loop, at, source))


def _is_hollow_group(member: Member) -> bool:
    return member.kind == "group" and member.loop is not None and not member.loop.filled


def _past(
    shape: Shape,
    before: list[list[int]],
    made: dict[tuple[int, int], int],
    loop: Loop,
    depth: int,
    source: int,
) -> int:
    """The vertex that waits for all that `source` waits for outside of `loop`."""

    def vertex(number: int) -> int:
        known = made.get((id(loop), number))
        if known is None:
            known = made[id(loop), number] = shape.add(shape.owner[number], PAST, [])
            shape.suffix[known] = f"{shape.suffix[number]}:past:{loop.owner.name}"
            shape.depth[known] = depth
            todo.append(number)
        return known

    todo: list[int] = []
    first = vertex(source)
    while todo:
        number = todo.pop()
        mine = shape.before[made[id(loop), number]]
        for other in before[number]:
            inside = loop in shape.owner[other].loops[: shape.depth[other]]
            mine.append(vertex(other) if inside else other)
    return first


# -- circles ---------------------------------------------------------------------------------------


def check_circles(flow: Flow, shape: Shape) -> None:
    """Report what waits for itself through others, each knot once."""
    ordered = in_order(shape.before)
    if len(ordered) == len(shape.before):
        return
    flow.broken = True
    left = set(range(len(shape.before))) - set(ordered)
    numbers = sorted(left)
    index = {number: at for at, number in enumerate(numbers)}
    inner = [[index[b] for b in shape.before[n] if b in left] for n in numbers]
    for circle in circles(inner):
        _report_circle(flow, shape, [numbers[at] for at in circle])


def _report_circle(flow: Flow, shape: Shape, circle: list[int]) -> None:
    report = flow.file.report
    members: list[Member] = []
    for number in circle:
        member = shape.owner[number]
        if not members or members[-1] is not member:
            members.append(member)
    if len(members) > 1 and members[-1] is members[0]:
        members.pop()
    labels: list[Label] = []
    size = len(members)
    for at in range(1, size + 1):
        label = _why(flow, members[at % size], members[at - 1])
        if label is not None:
            labels.append(label)
    names = " → ".join(f"`{m.name}`" for m in (*members, members[0]))
    first = members[0]
    report.error(
        codes.CIRCLE,
        first.tree.name.span,
        f"`{first.name}` waits for itself: {names}"
        if size == 1
        else f"these wait for one another in a circle: {names}",
        labels=tuple(labels[:12]),
        help="one of these edges must go: take out an `after`, or pass a value another way",
    )


def _why(flow: Flow, member: Member, other: Member) -> Label | None:
    """Why `member` waits for `other`."""
    report = flow.file.report
    span = member.after.get(other)
    if span is not None:
        return report.label(span, f"`{member.name}` waits for `{other.name}`")
    span = member.reads.get(other)
    if span is not None:
        return report.label(span, f"`{member.name}` reads `{other.name}`")
    if _within(member, other):
        return report.label(
            member.tree.name.span, f"`{member.name}` stands in `{other.name}`, and starts with it"
        )
    if _within(other, member):
        return report.label(
            other.tree.name.span, f"`{other.name}` stands in `{member.name}`, which ends with it"
        )
    if member.parent is not None and member.parent is other.parent:
        return report.label(
            member.tree.name.span,
            f"`{member.name}` stands behind `{other.name}` in `{member.parent.name}`",
        )
    return None
