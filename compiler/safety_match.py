"""Which node of one plan is which of another.

Nodes with the same id and the same definition are the same. Of the others, first those are that
have the same definition in the same place of the graph, whatever they are called (renamed, or
moved into a flow of their own), then those with the same id, then those with the same definition
anywhere, then those with the same inputs; gates by the nodes behind them: a change must not
escape notice by coming with a new name. Nodes are paired in topological order, so that when a
node is looked at, those it reads from have been paired already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from rflow.compiler.plan import Approval, Node, Plan, Trigger
from rflow.compiler.safety_normal import Normal, Part
from rflow.compiler.safety_numbers import Numbering, Numbers

PLACED_MAX = 2000
"""In larger plans, nodes that are alike and were all renamed are paired in their order."""

ROUNDS = 8
PASSES = (ROUNDS, ROUNDS, 0)
"""Rounds of refinement. In the first pass a node's place is all that it comes after, later only
what has been paired."""


class _Nobody(dict[str, str]):
    """Names for nodes that makes them all the same."""

    def get(self, name: str, default: object = None) -> str:
        return super().get(name, name) if name.startswith("trigger ") else "?"


@dataclass(slots=True)
class Pairs:
    """Pairs of nodes, and of triggers. `old_of` says what a node of the new plan was called."""

    old: Normal
    new: Normal
    old_of: dict[str, str] = field(default_factory=dict)
    new_of: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)
    before: Numbering = field(init=False)
    now: Numbering = field(init=False)
    _names: dict[str, str] = field(default_factory=dict)
    _numbers: Numbers = field(default_factory=Numbers)

    def __post_init__(self) -> None:
        self.before = Numbering(self._numbers, None)
        self.now = Numbering(self._numbers, self._names)
        self._pair_triggers()
        for name, was in self.triggers.items():
            self._names[f"trigger {name}"] = f"trigger {was}"
        for id, part in self.new.parts.items():
            old = self.old.parts.get(id)
            if old is not None and self.whole(old, self.before) == self.whole(part, self.now):
                self._add(id, id)
        if len(self.old.parts) + len(self.new.parts) <= PLACED_MAX:
            self._pair_placed()
        for left in self.added():
            if left.id in self.old.parts and left.id not in self.new_of:
                self._add(left.id, left.id)
        for key in (self.whole, self.called):
            self._pair_by(key)
        self._pair_gates()

    def _add(self, old: str, new: str) -> None:
        self.old_of[new] = old
        self.new_of[old] = new
        self._names[new] = old

    def pairs(self) -> list[tuple[Part, Part]]:
        """The pairs of nodes, in the order of the new plan."""
        return [
            (self.old.parts[self.old_of[id]], part)
            for id, part in self.new.parts.items()
            if id in self.old_of
        ]

    def removed(self) -> list[Part]:
        """Nodes that are not in the new plan."""
        return [part for id, part in self.old.parts.items() if id not in self.new_of]

    def added(self) -> list[Part]:
        """Nodes that were not in the old plan."""
        return [part for id, part in self.new.parts.items() if id not in self.old_of]

    # -- pairing -----------------------------------------------------------------------------

    def _pair_placed(self) -> None:
        """Pair nodes that are alike and stand in the same place of the graph: where several are
        alike, their place tells which is which."""
        for number, rounds in enumerate(PASSES):
            whole = number == 0
            if not self.removed() or not self.added():
                return
            self.now.forget()
            known = set(self.new_of)
            colors1, colors2 = self._colors(rounds)
            left: dict[Hashable, list[str]] = {}
            for part in self.removed():
                above = self.old.before(part.id)
                place = frozenset(above if whole else known.intersection(above))
                key = (self.whole(part, self.before), colors1[part.id], place)
                left.setdefault(key, []).append(part.id)
            for part in self.added():
                mapped = {self.old_of.get(id, f"new {id}") for id in self.new.before(part.id)}
                place = frozenset(mapped if whole else mapped & known)
                found = left.get((self.whole(part, self.now), colors2[part.id], place))
                if found:
                    self._add(found.pop(0), part.id)
        self.now.forget()

    def _colors(self, rounds: int) -> tuple[dict[str, int], dict[str, int]]:
        """A number for each node of either plan: what it is, and the numbers of those before and
        behind it.

        Colour refinement, as by Weisfeiler and Leman. What is known to be one node, a pair or the
        only one of its definition in both plans, has a colour of its own that stays. A definition
        that there is not equally often in both was changed for some node: those count only by
        what they are roughly, so that a change does not hide which is which around it.
        """
        number = self._numbers.number
        like1 = self._alike(self.old, self.new_of, _Nobody())
        like2 = self._alike(self.new, self.old_of, _Nobody(self._names))
        count1, count2 = Counter(like1.values()), Counter(like2.values())
        found = []
        for normal, like, paired in (
            (self.old, like1, self.new_of),
            (self.new, like2, self.old_of),
        ):
            colors: dict[str, int] = {}
            free: list[str] = []
            for id, part in normal.parts.items():
                if id in paired:
                    colors[id] = number(("pair", id if normal is self.old else paired[id]))
                    continue
                color = like[id]
                if count1[color] != count2[color]:
                    roughly = (part.node.section, part.node.kind, *sorted(part.inputs))
                    color = number(("roughly", *roughly))
                colors[id] = color
                if not count1[color] == count2[color] == 1:
                    free.append(id)
            found.append(_refined(normal, colors, free, rounds, number))
        return found[0], found[1]

    def _alike(self, normal: Normal, paired: dict[str, str], nobody: _Nobody) -> dict[str, int]:
        """Numbers for the nodes that are not paired: equal ones for equal definitions."""
        blind = Numbering(self._numbers, nobody)
        return {
            id: self._numbers.number(("alike", part.node.section, self.whole(part, blind)))
            for id, part in normal.parts.items()
            if id not in paired
        }

    def _pair_by(self, key: Callable[[Part, Numbering], Hashable]) -> None:
        """Pair what is left by a key. The names change as pairs are found: later keys see them."""
        left: dict[Hashable, list[str]] = {}
        for part in self.removed():
            left.setdefault(key(part, self.before), []).append(part.id)
        if not left:
            return
        self.now.forget()
        for part in self.added():
            found = left.get(key(part, self.now))
            if found:
                self._add(found.pop(0), part.id)
        self.now.forget()

    def whole(self, part: Part, numbers: Numbering) -> Hashable:
        """All that a node is, but for its name, its place and what it comes after."""
        node = part.node
        return (
            self.called(part, numbers),
            frozenset(map(numbers.of, part.whens)),
            tuple((numbers.of(over), at_most) for over, at_most in part.loops),
            numbers.of(part.lock),
            node.retry,
            node.timeout_s,
            node.continue_on_failure,
            self.contract(part, numbers),
        )

    def called(self, part: Part, numbers: Numbering) -> Hashable:
        """The kind of a node and its inputs."""
        node = part.node
        inputs = tuple((name, numbers.of(part.inputs[name])) for name in sorted(part.inputs))
        approval = None if node.approval is None else gate_key(node.approval)
        return (node.kind, node.section, inputs, approval)

    def contract(self, part: Part, numbers: Numbering) -> Hashable:
        """What a node says of rolling back."""
        said = part.node.contract
        undo = tuple((name, numbers.of(part.undo[name])) for name in sorted(part.undo))
        return (said.type, said.reason, said.kind, undo)

    def _pair_gates(self) -> None:
        """Pair the gates that are left: those that stand before the most of the same nodes."""
        gates = [part.node for part in self.added() if part.node.approval is not None]
        for gone in [part.node for part in self.removed()]:
            if gone.approval is None or not gates:
                continue
            behind = {self.new_of.get(id) for id in gone.approval.slice} - {None}
            best = max(gates, key=lambda gate: len(behind & set(_slice(gate))))
            if behind & set(_slice(best)):
                gates.remove(best)
                self._add(gone.id, best.id)

    def _pair_triggers(self) -> None:
        one = {trigger.name: trigger for trigger in self.old.plan.triggers}
        two = {trigger.name: trigger for trigger in self.new.plan.triggers}
        self.triggers = {name: name for name in two if name in one}
        for name, trigger in two.items():
            for old, known in one.items():
                if name in self.triggers or old in self.triggers.values():
                    continue
                if known.kind == trigger.kind and not self.trigger_inputs(known, trigger):
                    self.triggers[name] = old

    def trigger_inputs(self, old: Trigger, new: Trigger) -> list[str]:
        """The inputs in which two triggers differ, by name."""
        before = {n: self.before.of(e) for n, e in self.old.triggers[old.name].items()}
        now = {n: self.now.of(e) for n, e in self.new.triggers[new.name].items()}
        return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _refined(
    normal: Normal,
    colors: dict[str, int],
    free: list[str],
    rounds: int,
    number: Callable[[tuple[object, ...]], int],
) -> dict[str, int]:
    """The colours after some rounds in which the `free` nodes take in those around them."""
    above = normal.direct
    below: dict[str, list[str]] = {id: [] for id in normal.parts}
    for id in normal.parts:
        for other in above[id]:
            below[other].append(id)
    for _ in range(rounds):
        new = {
            id: number(
                (
                    "color",
                    colors[id],
                    tuple(sorted(colors[other] for other in above[id])),
                    tuple(sorted(colors[other] for other in below[id])),
                )
            )
            for id in free
        }
        colors = {**colors, **new}
    return colors


def moved_secrets(old: Plan, new: Plan) -> dict[tuple[str, str], tuple[str, str]]:
    """Where secrets come from now → where those of the same names came from before."""
    one = {secret.name: (secret.source, secret.key) for secret in old.secrets}
    two = {secret.name: (secret.source, secret.key) for secret in new.secrets}
    before, now = set(one.values()), set(two.values())
    return {
        place: one[name]
        for name, place in two.items()
        if name in one and place not in before and one[name] not in now
    }


def gate_key(approval: Approval) -> Hashable:
    """What a gate demands."""
    return (
        frozenset(approval.people),
        approval.count,
        approval.within_s,
        approval.otherwise,
        approval.self_ok,
    )


def _slice(gate: Node) -> tuple[str, ...]:
    return () if gate.approval is None else gate.approval.slice


__all__ = ["Pairs", "gate_key", "moved_secrets"]
