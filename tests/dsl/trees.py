"""Strategies: trees of the language, such as parsing could give."""

from __future__ import annotations

from hypothesis import strategies as st
from rflow.dsl import ast
from rflow.grammar.tables import KEYWORDS

WORDS = sorted({*KEYWORDS, "a", "b2", "_c", "web", "Long_Name", "x1"} - {"true", "false"})
words = st.sampled_from(WORDS)
names = words.map(ast.Name)
kinds = st.one_of(names, st.tuples(words, words).map(lambda w: ast.Name(".".join(w))))
CHARS = st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00")
literal_text = st.one_of(
    st.text(CHARS, min_size=1, max_size=12),
    st.sampled_from(["$<", "\\", '"', "'", "${x}", "$", "\n", "a\tb", "\u202e", '"""', "# no"]),
)
ints = st.integers(0, 2**63 - 1).map(ast.Int)
floats = st.floats(0, allow_nan=False, allow_infinity=False).map(ast.Float)
durations = st.integers(0, 10**12).map(lambda ms: ast.Duration(ms, ""))
bools = st.booleans().map(ast.Bool)
raw_texts = st.text(CHARS.filter(lambda c: c not in "'\n"), max_size=12)
raws = raw_texts.map(lambda t: ast.Str((t,) if t else (), "raw"))
plain_texts = literal_text.map(lambda t: ast.Str((t,), "plain"))
plain_strings = st.one_of(st.just(ast.Str(())), plain_texts)
filter_strings = plain_strings.filter(
    lambda s: all("$<" not in p for p in s.parts if isinstance(p, str))
)
paths = st.lists(st.one_of(words, st.integers(0, 99)), min_size=1, max_size=3).map(
    lambda parts: ast.Path((parts[0] if isinstance(parts[0], str) else "args", *parts[1:]))
)
negatives = st.integers(1, 9).map(lambda n: ast.Int(-n))
scalars = st.one_of(ints, negatives, floats, durations, bools, filter_strings, raws)


@st.composite
def references(draw: st.DrawFn, depth: int = 2) -> ast.Ref:
    head = draw(st.one_of(paths, scalars))
    args = [scalars]
    if depth:
        args.append(
            references(depth - 1).filter(lambda r: r.filters or isinstance(r.head, ast.Path))
        )
    filters = draw(
        st.lists(
            st.builds(ast.Filter, names, st.lists(st.one_of(*args), max_size=2).map(tuple)),
            max_size=2 if depth else 0,
        )
    )
    return ast.Ref(head, tuple(filters))


refs = references()


def _joined(parts: list[str | ast.Ref]) -> tuple[str | ast.Ref, ...]:
    out: list[str | ast.Ref] = []
    for part in parts:
        last = out[-1] if out else None
        if isinstance(part, str) and isinstance(last, str):
            out[-1] = last + part
        elif part != "":
            out.append(part)
    return tuple(out)


interpolated = st.lists(st.one_of(literal_text, refs), max_size=4).map(
    lambda parts: ast.Str(_joined(parts))
)
BLOCK_LINES = st.lists(
    st.one_of(
        st.text(CHARS.filter(lambda c: c not in '\n\r\\" \t'), max_size=8),
        st.sampled_from(["", "$<", '"quoted" x', "if x; then", "  deeper", '"""', "a\\nb"]),
    ),
    min_size=1,
    max_size=5,
)


@st.composite
def blocks(draw: st.DrawFn) -> ast.Str:
    lines = [line.rstrip() for line in draw(BLOCK_LINES)]
    full = [line for line in lines if line.strip()]
    if not full or all(line.startswith(" ") for line in full):
        lines.append("end")
    text = "\n".join(lines) + "\n"
    if draw(st.booleans()):
        ref = draw(refs)
        return ast.Str(_joined([text, ref, draw(st.sampled_from(["", "\n", " x\n"]))]), "block")
    return ast.Str((text,), "block")


strings = st.one_of(plain_strings, interpolated, raws)
line_strings = strings
atoms = st.one_of(ints, floats, durations, bools, refs, strings, blocks())


def _unique(pairs: list[tuple[ast.Name, ast.Expr]]) -> tuple[tuple[ast.Name, ast.Expr], ...]:
    return tuple({k.text: (k, v) for k, v in pairs}.values())


keys = st.one_of(names, literal_text.map(ast.Name))
OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "in", "matches", "and", "or", "+", "-", "*", "/"]
exprs: st.SearchStrategy[ast.Expr] = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: ast.ListExpr(tuple(items))),
        st.lists(st.tuples(keys, inner), max_size=3).map(lambda p: ast.MapExpr(_unique(p))),
        st.builds(ast.Binary, st.sampled_from(OPERATORS), inner, inner),
        st.builds(ast.Unary, st.sampled_from(["not", "-"]), inner),
        st.builds(ast.IfExpr, inner, inner, inner),
    ),
    max_leaves=5,
)
literal_types = st.one_of(plain_texts, raws, ints, negatives, floats, bools).map(ast.LiteralType)
types: st.SearchStrategy[ast.TypeExpr] = st.recursive(
    st.one_of(words.map(ast.TypeName), literal_types),
    lambda inner: st.one_of(
        st.builds(ast.GenericType, words, inner),
        inner.filter(lambda t: not isinstance(t, ast.OptionalType)).map(ast.OptionalType),
        st.lists(inner, min_size=2, max_size=3).map(lambda m: ast.UnionType(tuple(m))),
    ),
    max_leaves=3,
)
inputs = st.builds(ast.Input, names, exprs)
some_inputs = st.lists(inputs, max_size=2).map(tuple)
counts = st.integers(0, 99)
docs = st.one_of(
    st.none(),
    st.lists(st.sampled_from(["", "Words.", "  indented", "# no"]), min_size=1, max_size=3).map(
        "\n".join
    ),
)
afters = st.lists(names, max_size=2).map(tuple)
span_inputs = st.tuples(durations, durations).map(
    lambda d: (ast.Input(ast.Name("min"), d[0]), ast.Input(ast.Name("max"), d[1]))
)
retries = st.one_of(
    st.just(ast.Retry(1, ast.Name("none"))),
    counts.map(lambda n: ast.Retry(n, ast.Name("exponential"))),
    st.builds(ast.Retry, counts, st.just(ast.Name("exponential")), span_inputs),
    st.builds(
        ast.Retry,
        counts,
        st.just(ast.Name("constant")),
        durations.map(lambda d: (ast.Input(ast.Name("delay"), d),)),
    ),
    st.builds(ast.Retry, counts, kinds, some_inputs),
)
whens = st.builds(ast.When, exprs)
eaches = st.builds(ast.Each, names, exprs, st.one_of(st.none(), counts))
timeouts = st.builds(ast.Timeout, durations)
proceeds = st.just(ast.ContinueOnFailure())
node_clauses = st.one_of(
    inputs,
    whens,
    eaches,
    retries,
    timeouts,
    st.builds(ast.Lock, strings),
    st.builds(ast.Undo, kinds, some_inputs),
    st.builds(ast.Keep, strings),
    st.builds(ast.Irreversible, strings),
    st.just(ast.Pure()),
    proceeds,
    st.builds(ast.DeclaredOutput, names, types),
)
CLAUSES = ["by", "count", "within", "self", "when", "continue", "protect", "open", "rollback"]
CLAUSES += ["run", "given", "answer", "fail", "cancel", "expect"]
later_names = names.filter(lambda name: name.text not in CLAUSES)
people = st.tuples(
    st.one_of(names, strings), st.lists(st.one_of(later_names, strings), max_size=2)
).map(lambda who: ast.By((who[0], *who[1])))
approve_clauses = st.one_of(
    people,
    st.builds(ast.Count, counts),
    st.builds(ast.Within, durations, st.sampled_from(["reject", "rollback"])),
    st.just(ast.SelfApproval()),
    whens,
    proceeds,
)
nodes = st.builds(
    ast.Node, names, kinds, afters, st.lists(node_clauses, max_size=4).map(tuple), docs
)
approves = st.builds(
    ast.Approve, names, afters, st.lists(approve_clauses, max_size=4).map(tuple), docs
)
uses = st.builds(
    ast.Use,
    names,
    names,
    afters,
    st.lists(st.one_of(inputs, whens, eaches), max_size=3).map(tuple),
    docs,
)
members: st.SearchStrategy[ast.Member] = st.recursive(
    st.one_of(nodes, approves, uses),
    lambda inner: st.builds(
        ast.GroupBlock,
        st.sampled_from(["sequence", "parallel"]),
        names,
        afters,
        st.lists(st.one_of(whens, eaches), max_size=2).map(tuple),
        st.lists(inner, max_size=2).map(tuple),
        docs,
    ),
    max_leaves=3,
)
some_members = st.lists(members, max_size=2).map(tuple)
items = st.one_of(
    st.builds(ast.Arg, names, types, st.one_of(st.none(), exprs), docs),
    st.builds(ast.Secret, names, names, strings, docs),
    st.builds(ast.Let, names, exprs, docs),
    st.builds(ast.Concurrency, names),
    retries,
    timeouts,
    st.builds(ast.Trigger, names, kinds, some_inputs, docs),
    members,
    st.builds(ast.Output, names, exprs, docs),
    st.builds(ast.OnFailure, st.booleans(), some_members),
    st.builds(ast.Finally, some_members),
)
stage_clauses = st.one_of(
    st.just(ast.Protect()),
    st.builds(ast.Open, strings),
    st.builds(ast.RollbackPolicy, people, counts),
)
stages = st.builds(ast.Stage, names, st.lists(stage_clauses, max_size=3).map(tuple), docs)
OWN_WORDS = ["run", "undone", "kept", "effect", "output", "undo"]
turns = st.lists(st.one_of(names, strings, ints), max_size=2).map(tuple)


@st.composite
def targets(draw: st.DrawFn) -> ast.Target:
    """A target: without brackets, names with dots are one step."""
    first = draw(kinds.filter(lambda name: name.text not in OWN_WORDS))
    steps = [ast.Step(first, draw(turns))]
    if steps[0].turn:
        steps += draw(st.lists(st.builds(ast.Step, names, turns), max_size=2))
    return ast.Target(tuple(steps))


either = st.one_of(st.none(), durations)
perhaps_text = st.one_of(st.none(), strings)
failures = st.one_of(
    st.tuples(st.just(1), st.none()),
    st.tuples(counts, counts),
)
test_clauses = st.one_of(
    st.builds(ast.TestRun, names, perhaps_text, perhaps_text, some_inputs),
    st.builds(ast.Given, targets(), either, some_inputs),
    st.builds(
        ast.Answer,
        targets(),
        st.sampled_from(["approve", "reject"]),
        st.lists(strings, min_size=1, max_size=2).map(tuple),
        either,
    ),
    st.builds(
        lambda target, span, halfway, message: ast.Fail(
            target, *span, halfway=halfway, message=message
        ),
        targets(),
        failures,
        st.booleans(),
        perhaps_text,
    ),
    st.builds(
        lambda target, span, message: ast.Fail(target, *span, undo=True, message=message),
        targets(),
        failures,
        perhaps_text,
    ),
    st.builds(ast.Cancel, durations, st.none(), st.booleans()),
    st.builds(ast.Cancel, st.none(), targets(), st.booleans()),
    st.builds(ast.ExpectRun, st.sampled_from(["success", "failed", "cancelled"])),
    st.builds(ast.ExpectWithin, durations),
    st.builds(
        ast.ExpectStatus,
        targets(),
        st.sampled_from(["success", "failed", "skipped", "cancelled", "not started"]),
    ),
    st.builds(ast.ExpectAttempts, targets(), counts),
    st.builds(ast.ExpectBefore, targets(), targets()),
    st.builds(ast.ExpectEffect, st.sampled_from(["undone", "kept", "effect"]), targets()),
    st.builds(ast.ExpectOutput, names, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), exprs),
)
tests = st.builds(ast.Test, strings, st.lists(test_clauses, max_size=4).map(tuple), docs)
declarations = st.one_of(
    tests,
    st.builds(ast.Import, strings),
    st.builds(ast.People, names, some_inputs, docs),
    st.builds(ast.Pipeline, names, st.lists(stages, max_size=3).map(tuple), docs),
    st.builds(
        ast.Flow,
        names,
        st.one_of(st.none(), kinds),
        st.lists(items, max_size=3).map(tuple),
        docs,
    ),
)
modules = st.lists(declarations, max_size=3).map(lambda d: ast.Module(1, tuple(d)))
