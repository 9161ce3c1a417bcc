"""What a change means for secrets and for text from outside: where they reach now.

A secret is known by where it comes from, not by its name. One that the flow had already and that
reaches another node is a risk; a new secret for a node is what most new nodes need.
"""

from __future__ import annotations

from collections.abc import Mapping

from rflow.compiler.plan import Place
from rflow.compiler.safety_change import Comparison, Level, named
from rflow.compiler.safety_facts import Source, is_effect


def check_reach(found: Comparison) -> None:
    """Add the secrets and the texts from outside that reach nodes which they did not."""
    known = frozenset().union(*found.before.secrets.values())
    secrets = _newly(found, found.before.secrets, found.now.secrets)
    for source, ids in secrets.items():
        level: Level = "risk" if source in known else "caution"
        message = f"{_secret(found, source)} now reaches {named(ids)}"
        found.add(level, "secret", ids, message, _place(found, ids[0]))
    for source, ids in _newly(found, found.before.untrusted, found.now.untrusted).items():
        effects = any(is_effect(found.now.normal.parts[id].node) for id in ids)
        message = f"text from outside, `{'.'.join(source)}`, now reaches {named(ids)}"
        level = "risk" if effects else "caution"
        found.add(level, "untrusted", ids, message, _place(found, ids[0]))
    for old, new in found.both():
        for name in old.node.secret_outputs:
            if name in (new.node.outputs or {}) and name not in new.node.secret_outputs:
                message = f"the output `{new.id}.{name}` is not secret any more: it will be shown"
                found.add("risk", "output-shown", new.id, message, new.node.place)


def _newly(
    found: Comparison,
    before: Mapping[str, frozenset[Source]],
    now: Mapping[str, frozenset[Source]],
) -> dict[Source, list[str]]:
    """Sources, as they were called before, and the nodes that they did not reach before."""
    new: dict[Source, list[str]] = {}
    for id, sources in now.items():
        old = found.pairs.old_of.get(id)
        had = frozenset[Source]() if old is None else before[old]
        for source in sorted({_as_before(found, source) for source in sources} - had):
            new.setdefault(source, []).append(id)
    return new


def _as_before(found: Comparison, source: Source) -> Source:
    if source[0] != "refs":
        return source
    _, name, *rest = source
    known = found.pairs.old_of.get(name) or found.pairs.triggers.get(name) or name
    return ("refs", known, *rest)


def _secret(found: Comparison, source: Source) -> str:
    match source:
        case ("args", name):
            return f"the secret argument `{name}`"
        case ("refs", node, output):
            return f"the secret output `{node}.{output}`"
        case (place, key):
            names = (name for name, at in found.now.normal.secrets.items() if at == source)
            return f'the secret `{next(names)}`, {place} "{key}",'
        case _:
            return "a secret"


def _place(found: Comparison, id: str) -> Place:
    return found.now.normal.parts[id].node.place
