"""Flows by chance, written in many ways that mean the same: the way of writing is what differs.

A `Flow` says what the flow means; a `Style` says how it is written: what lets are called and
whether they are written out, in which order things stand, which nodes have a group around them,
which stand in a flow of their own in another file, what nodes, gates and loops are called.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

LETS = 3
NODES = 6


@dataclass(frozen=True)
class Made:
    """A node: `kind` is effect, check or gate; `lets` are read, `after` are earlier nodes."""

    kind: str
    after: tuple[int, ...]
    lets: tuple[int, ...]
    secret: bool
    when: bool
    each: bool
    lock: bool
    timeout_s: int


@dataclass(frozen=True)
class Flow:
    """What a flow means. Each let reads the argument, and the let before it if it says so. No two
    nodes of a `distinct` one are alike."""

    nodes: tuple[Made, ...]
    chained: tuple[bool, ...]
    distinct: bool = False


@dataclass(frozen=True)
class Style:
    """How it is written."""

    let_names: tuple[str, ...]
    inline: tuple[bool, ...]
    node_names: tuple[str, ...]
    order: tuple[int, ...]
    grouped: tuple[bool, ...]
    moved: tuple[bool, ...]
    secret: str
    loop: str
    comments: bool


PLAIN = Style(
    ("a", "b", "c"),
    (False,) * LETS,
    tuple(f"n{i}" for i in range(NODES)),
    tuple(range(NODES)),
    (False,) * NODES,
    (False,) * NODES,
    "token",
    "turn",
    False,
)


def _made(index: int) -> st.SearchStrategy[Made]:
    earlier = st.lists(st.integers(0, index - 1), unique=True, max_size=2) if index else st.just([])
    return st.builds(
        Made,
        kind=st.sampled_from(("effect", "check", "gate")),
        after=earlier.map(tuple),
        lets=st.lists(st.integers(0, LETS - 1), unique=True, max_size=2).map(tuple),
        secret=st.booleans(),
        when=st.booleans(),
        each=st.booleans(),
        lock=st.booleans(),
        timeout_s=st.integers(1, 90),
    )


flows = st.builds(
    Flow,
    nodes=st.tuples(*map(_made, range(NODES))),
    chained=st.tuples(*[st.booleans()] * LETS),
)


def _flags(count: int) -> st.SearchStrategy[tuple[bool, ...]]:
    return st.tuples(*[st.booleans()] * count)


def _styles(names: str) -> st.SearchStrategy[Style]:
    """Styles in which nodes have the names of `PLAIN`, or others that begin with this letter.

    Two nodes that are alike and swap their names are not two that were renamed: nobody can tell.
    """
    return st.builds(
        Style,
        let_names=st.permutations(("a", "b", "c", "tag", "label")).map(lambda n: tuple(n[:LETS])),
        inline=_flags(LETS),
        node_names=st.one_of(
            st.just(PLAIN.node_names),
            st.permutations([f"{names}{i}" for i in range(NODES)]).map(tuple),
        ),
        order=st.permutations(range(NODES)).map(tuple),
        grouped=_flags(NODES),
        moved=_flags(NODES),
        secret=st.sampled_from(("token", "key")),
        loop=st.sampled_from(("turn", "site")),
        comments=st.booleans(),
    )


styles = _styles("m")
other_styles = _styles("k")


def write(flow: Flow, style: Style) -> tuple[str, dict[str, str]]:
    """The text of the flow, and the files that it imports."""
    lines: list[str] = []
    files: dict[str, str] = {}
    for number in range(LETS):
        if not style.inline[number]:
            lines.append(f'  let {style.let_names[number]} = "{_let(flow, style, number)}"')
    head = 'rflow 1\n\ngroup managers { members = ["a@example.com", "b@example.com"] }\n'
    for number in style.order:
        lines += _member(flow, style, number, files)
    imports = "".join(f'import "{name}"\n' for name in files)
    text = f'{head}{imports}flow release {{\n  arg note: string = "x"\n'
    text += f'  secret {style.secret} from env "TOKEN"\n' + "\n".join(lines) + "\n}\n"
    return text, files


def _let(flow: Flow, style: Style, number: int) -> str:
    """The inside of the string that a let is, the lets that are not written out as references."""
    inner = _use(flow, style, number - 1) if number and flow.chained[number] else ""
    return f"l{number}-$<args.note | slug>-{inner}"


def _use(flow: Flow, style: Style, number: int) -> str:
    if style.inline[number]:
        return _let(flow, style, number)
    return f"$<let.{style.let_names[number]}>"


def _member(flow: Flow, style: Style, number: int, files: dict[str, str]) -> list[str]:
    made, name = flow.nodes[number], style.node_names[number]
    after = [_name(flow, style, before) for before in made.after]
    comes = f" after {', '.join(after)}" if after else ""
    note = ["  # a comment"] if style.comments else []
    if made.kind == "gate":
        return [*note, f"  approve {name}{comes} {{ by managers  count 2  within 3d else reject }}"]
    loop = f"    each {style.loop} in [1, 2] at most 1\n" if made.each else ""
    when = '    when $<args.note> != "skip"\n' if made.when else ""
    if _moved(flow, style, number):
        files[f"f{number}.rflow"] = _other_file(flow, style, number)
        given = "  ".join(
            ["note = $<args.note>"] + [f'l{let} = "{_use(flow, style, let)}"' for let in made.lets]
        )
        return [*note, f"  use part{number} as u{number}{comes} {{\n{when}{loop}    {given}\n  }}"]
    values = [_use(flow, style, let) for let in made.lets]
    node = _node(flow, number, name, values, style.secret, comes, loop + when)
    if style.grouped[number]:
        return [*note, f"  parallel g{number} {{", node, "  }"]
    return [*note, node]


def _moved(flow: Flow, style: Style, number: int) -> bool:
    return style.moved[number] and flow.nodes[number].kind != "gate"


def _name(flow: Flow, style: Style, number: int) -> str:
    return f"u{number}" if _moved(flow, style, number) else style.node_names[number]


def _node(
    flow: Flow,
    number: int,
    name: str,
    values: list[str],
    secret: str,
    comes: str,
    clauses: str,
) -> str:
    made = flow.nodes[number]
    what = f"run{number}" if flow.distinct else "run"
    entries = [f'V{at} = "{value}"' for at, value in enumerate(values)]
    if made.secret:
        entries.append(f"S = $<secrets.{secret}>")
    lock = '    lock "the-lock"\n' if made.lock else ""
    contract = '    keep "it may stay"\n' if made.kind == "effect" else "    pure\n"
    return (
        f"  node {name}: sh{comes} {{\n{clauses}{lock}    timeout {made.timeout_s}s\n{contract}"
        f'    script = "{what} $<args.note>"\n    env = {{ {", ".join(entries)} }}\n  }}'
    )


def _other_file(flow: Flow, style: Style, number: int) -> str:
    made = flow.nodes[number]
    args = "".join(f"  arg l{let}: string\n" for let in made.lets)
    values = [f"$<args.l{let}>" for let in made.lets]
    secret = '  secret own from env "TOKEN"\n' if made.secret else ""
    node = _node(flow, number, "it", values, "own", "", "")
    return f"rflow 1\nflow part{number} {{\n  arg note: string\n{args}{secret}{node}\n}}\n"
