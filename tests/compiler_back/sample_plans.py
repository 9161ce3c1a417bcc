"""Plans to test with: one by hand that has everything, and a strategy that draws any."""

from __future__ import annotations

from typing import Any
from typing import Literal as OneOf

from hypothesis import strategies as st
from msgspec.structs import replace
from rflow.compiler.expr import (
    Apply,
    Choose,
    Expr,
    Format,
    Get,
    Json,
    Lambda,
    ListOf,
    Literal,
    MapOf,
    Pipe,
)
from rflow.compiler.plan import (
    Approval,
    Arg,
    Contract,
    Group,
    Loop,
    Node,
    Output,
    Place,
    Plan,
    Retry,
    Secret,
    SourceFile,
    Stage,
    Trigger,
)

HERE = Place(0, 0, 10)


def shop() -> Plan:
    """The flow of the language's one page, as a plan."""
    eu = Apply("==", (Get("each", ("web",)), Literal("eu")))
    stable = Apply("==", (Get("arg", ("channel",)), Literal("stable")))
    retried = Retry(3, (1.0, 2.0), 0.2)
    people = ("lead@example.com", "oncall@example.com")
    nodes = (
        Node(
            "source",
            "git.checkout",
            "main",
            (),
            HERE,
            inputs={
                "repo": Get("trigger", ("main", "repo_url")),
                "sha": Get("trigger", ("main", "sha")),
            },
            outputs={"path": "string"},
            retry=retried,
            repeatable=True,
        ),
        Node(
            "image",
            "build.archive",
            "main",
            ("source",),
            HERE,
            inputs={"from": Get("node", ("source", "path")), "name": Get("value", ("let.tag",))},
            outputs={"artifact": "artifact", "version": "string"},
            retry=retried,
            repeatable=True,
        ),
        Node(
            "go_live",
            "approve",
            "main",
            ("image",),
            HERE,
            approval=Approval(
                ("release_managers",),
                people,
                2,
                172800,
                "reject",
                False,
                ("backup", "check.ping", "migrate", "web"),
            ),
        ),
        Node(
            "backup",
            "database.backup",
            "main",
            ("go_live",),
            HERE,
            group="database",
            inputs={"url": Get("secret", ("dsn",))},
            outputs={"backup": "artifact"},
            contract=Contract(
                "undo", kind="database.restore", inputs=(("backup", Get("done", ("backup",))),)
            ),
            effect="database",
        ),
        Node(
            "migrate",
            "sh",
            "main",
            ("backup",),
            HERE,
            group="database",
            inputs={
                "script": Literal('alembic -x dsn="$DSN" upgrade head\n'),
                "env": MapOf((("DSN", Get("secret", ("dsn",))),)),
            },
            timeout_s=600,
            contract=Contract("keep", "migrations only add columns"),
            effect="command",
        ),
        Node(
            "web",
            "deploy.directory",
            "main",
            ("image", "migrate"),
            HERE,
            doc="Put the shop's files in place.",
            loops=("web",),
            whens=((Apply("or", (stable, eu)), HERE),),
            inputs={
                "artifact": Get("node", ("image", "artifact")),
                "target": Format((Literal("/srv/shop-"), Get("each", ("web",)))),
            },
            lock=Literal("shop-web"),
            contract=Contract("self"),
            effect="deployment",
            repeatable=True,
            recovers=True,
            retry=retried,
        ),
        Node(
            "check.ping",
            "http.check",
            "main",
            ("web",),
            HERE,
            group="check",
            inputs={"url": Get("value", ("check.args.url",)), "expect": Literal(200)},
            timeout_s=30,
            retry=retried,
            repeatable=True,
        ),
        Node(
            "tell",
            "message.webhook",
            "finally",
            (),
            HERE,
            inputs={
                "url": Get("secret", ("chat",)),
                "text": Format((Get("flow", ("name",)), Literal(" "), Get("run", ("name",)))),
            },
        ),
    )
    return Plan(
        flow="release",
        doc="Build, migrate and promote the shop.",
        stage=Stage(
            "shop",
            "production",
            protected=True,
            open=("Mon-Thu 09:00-16:00 Europe/Berlin",),
            before="staging",
            rollback_by=("release_managers",),
            rollback_count=2,
        ),
        concurrency="queue",
        timeout_s=7200,
        args=(
            Arg("replicas", "int", False, Literal(2), False, "How many.", HERE),
            Arg("channel", '"stable" | "canary"', False, Literal("stable"), False, "", HERE),
            Arg("note", "string?", False, None, False, "", HERE),
            Arg("pin", "string", True, None, True, "", HERE),
        ),
        secrets=(
            Secret("dsn", "env", "SHOP_DSN", HERE),
            Secret("chat", "file", "/run/secrets/chat-webhook", HERE),
        ),
        triggers=(
            Trigger("main", "git", {"branches": ListOf((Literal("main"),))}, "", HERE),
            Trigger("hook", "webhook", {}, "", HERE),
            Trigger("nightly", "cron", {"schedule": Literal("0 2 * * 1-5")}, "", HERE),
        ),
        values={
            "let.tag": Format(
                (Literal("shop-"), Pipe(Get("trigger", ("main", "sha")), "short", ()))
            ),
            "check.args.url": Literal("https://shop.example.com/health"),
        },
        loops=(Loop("web", "site", ListOf((Literal("eu"), Literal("us"))), 1, None, HERE),),
        groups=(
            Group("database", "sequence", None, "main", None, "", HERE),
            Group("check", "use", None, "main", None, "", HERE),
        ),
        nodes=nodes,
        outputs=(Output("version", Get("node", ("image", "version")), "string", HERE),),
        rollback_on_failure=True,
        kinds={node.kind: "rflow 0.1.0" for node in nodes if node.kind != "approve"},
        sources=(SourceFile("release.rflow", "rflow 1\n"),),
    )


def grouped() -> Plan:
    """A plan with groups in groups, a join, and all sections."""

    def node(id: str, *after: str, **more: Any) -> Node:
        more.setdefault("section", "main")
        return Node(id=id, kind=more.pop("kind", "sh"), after=after, place=HERE, **more)

    undo = {"effect": "command", "contract": Contract("undo", kind="sh")}
    silent = {"effect": "command", "contract": Contract("none")}
    final = {"effect": "mail", "contract": Contract("irreversible", "a sent mail is sent")}
    nodes = (
        node("source", kind="git.checkout"),
        node("docs"),
        node("lint", "source", group="checks"),
        node("unit", "source", group="checks", continue_on_failure=True),
        node("e2e.start", "source", group="e2e"),
        node("e2e.login", "e2e.start", group="e2e.flows"),
        node("e2e.pay", "e2e.start", group="e2e.flows", loops=("e2e.pay",)),
        node("e2e.stop", "e2e.login", "e2e.pay", group="e2e"),
        node("join:1", "e2e.stop", "lint", "unit", kind="join"),
        node("left", "join:1", **undo),
        node("right", "join:1", **silent),
        node("news", "docs", "left", "right", **final),
        node("page", section="failure", kind="message.webhook"),
        node("clean", section="finally"),
        node("tell", "clean", section="finally", kind="message.webhook"),
    )
    over = Get("arg", ("browsers",))
    return replace(
        layered(0, 1),
        flow="checks",
        groups=(
            Group("e2e.flows", "parallel", "e2e", "main", None, "", HERE),
            Group("checks", "parallel", None, "main", None, "", HERE),
            Group("e2e", "use", None, "main", None, "", HERE),
        ),
        loops=(Loop("e2e.pay", "browser", over, None, None, HERE),),
        nodes=nodes,
    )


def layered(count: int, width: int) -> Plan:
    """A plan of `count` nodes in layers of `width`, each after two of the layer before."""
    nodes = tuple(
        Node(
            f"n{at}",
            "sh",
            "main",
            tuple(sorted({f"n{at - width}", f"n{at - width - at % width + (at * 7) % width}"}))
            if at >= width
            else (),
            HERE,
            inputs={"script": Literal("true")},
            effect="command" if at % 3 else None,
            contract=Contract("pure") if at % 3 == 0 else Contract("keep", "it is harmless"),
        )
        for at in range(count)
    )
    return Plan(
        "big",
        "",
        None,
        "allow",
        None,
        (),
        (),
        (),
        {},
        (),
        (),
        nodes,
        (),
        False,
        {},
        (SourceFile("a", ""),),
    )


# -- drawn -------------------------------------------------------------------------------------


def many(items: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=most).map(tuple)


def named(items: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(names, items, max_size=2)


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
names = st.from_regex(r"[a-z][a-z_0-9]{0,4}", fullmatch=True)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
seconds = st.integers(0, 10**6) | st.floats(0, 1e6)
json: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
ROOTS = [
    "node",
    "ran",
    "all",
    "arg",
    "secret",
    "trigger",
    "value",
    "run",
    "flow",
    "stage",
    "each",
    "done",
    "it",
]


def gets(roots: list[str]) -> st.SearchStrategy[Get]:
    return st.builds(
        Get,
        st.sampled_from(roots),
        st.lists(names | st.integers(-3, 9), min_size=1, max_size=3).map(tuple),
    )


def exprs(leaves: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def wider(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        return (
            st.builds(Format, many(inner))
            | st.builds(ListOf, many(inner))
            | st.builds(MapOf, many(st.tuples(texts, inner)))
            | st.builds(Apply, st.sampled_from(["==", "and", "+"]), st.tuples(inner, inner))
            | st.builds(Apply, st.sampled_from(["not", "neg", "duration"]), st.tuples(inner))
            | st.builds(Choose, inner, inner, inner)
            | st.builds(Pipe, inner, names, many(inner | st.builds(Lambda, inner)))
        )

    return st.recursive(leaves, wider, max_leaves=3)


anything = exprs(st.builds(Literal, json) | gets(ROOTS))
places = st.builds(Place, st.just(0), st.integers(0, 99), st.integers(0, 99))
contracts = (
    st.builds(Contract, st.sampled_from(["self", "pure", "none"]))
    | st.builds(Contract, st.sampled_from(["keep", "irreversible"]), texts)
    | st.builds(Contract, st.just("undo"), kind=names, inputs=many(st.tuples(names, anything)))
)
retries = many(seconds).map(lambda delays: Retry(1 + len(delays), delays, 0.5))


@st.composite
def nodes(draw: st.DrawFn, ids: list[str], loops: list[str], groups: list[str]) -> tuple[Node, ...]:
    found: list[Node] = []
    ends = draw(st.sampled_from(["main", "failure", "finally"]))
    for at, id in enumerate(ids):
        before = [node.id for node in found]
        after = draw(st.lists(st.sampled_from(before), unique=True, max_size=3)) if before else []
        kind = draw(st.sampled_from(["sh", "http.check", "approve", "join"]))
        gate = Approval(("a",), ("b",), 1, 60, "rollback", True, (ids[-1],))
        found.append(
            Node(
                id,
                kind,
                ends if at == len(ids) - 1 else "main",
                tuple(sorted(after)),
                draw(places),
                doc=draw(texts),
                group=draw(st.sampled_from([None, *groups])),
                loops=draw(st.sampled_from([(), *((loop,) for loop in loops)])),
                whens=draw(many(st.tuples(anything, places))),
                inputs=draw(st.none() | named(anything)),
                program=draw(st.none() | named(many(st.tuples(names, anything)))),
                outputs=draw(st.none() | named(st.just("string"))),
                retry=draw(retries),
                timeout_s=draw(st.none() | seconds),
                lock=draw(st.none() | anything),
                contract=draw(contracts),
                effect=draw(st.none() | names),
                repeatable=draw(st.booleans()),
                continue_on_failure=draw(st.booleans()),
                approval=gate if kind == "approve" else None,
            )
        )
    return tuple(found)


stages = st.builds(Stage, names, names, st.booleans(), many(texts), st.none() | names)
defaults = st.none() | anything
args = st.builds(
    Arg, names, st.just("string?"), st.booleans(), defaults, st.booleans(), texts, places
)
triggers = st.builds(Trigger, names, names, named(anything), texts, places)
orders: list[OneOf["sequence", "parallel", "use"]] = ["sequence", "parallel", "use"]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    ids = draw(st.lists(names, unique=True, max_size=4))
    loops = tuple(Loop(id, "x", draw(anything), 3, None, HERE) for id in ids[:1])
    groups = tuple(
        Group(id, draw(st.sampled_from(orders)), None, "main", None, "", HERE)
        for id in draw(st.lists(names, unique=True, max_size=2))
    )
    return Plan(
        flow=draw(names),
        doc=draw(texts),
        stage=draw(st.none() | stages),
        concurrency=draw(st.sampled_from(["allow", "queue", "forbid", "latest", "replace"])),
        timeout_s=draw(st.none() | seconds),
        args=draw(many(args)),
        secrets=draw(many(st.builds(Secret, names, names, texts, places))),
        triggers=draw(many(triggers)),
        values=draw(named(anything)),
        loops=loops,
        groups=groups,
        nodes=draw(nodes(ids, [loop.id for loop in loops], [group.id for group in groups])),
        outputs=draw(many(st.builds(Output, names, anything, st.just("string"), places))),
        rollback_on_failure=draw(st.booleans()),
        kinds=draw(named(texts)),
        sources=(SourceFile(draw(texts), draw(texts)),),
    )
