"""Slips where an entry of a block begins: codes and checks."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code, Label, closest
from rflow.dsl.examples import in_flow, in_node
from rflow.dsl.situation import INPUT_PLACES, VALUES, Situation, Slip, as_kind, without_colon
from rflow.dsl.slips_header import DEPENDENCIES, RF108, no_order
from rflow.dsl.tokens import ID
from rflow.grammar.tables import KEYWORDS, SYMBOLS

RF101 = Code(
    "RF101",
    "unexpected text",
    "What stands here fits nowhere into the language at this place; the message says what would.",
    in_flow("retry 3 every"),
    in_flow("retry 3 every 5s"),
)
RF102 = Code(
    "RF102",
    "unclosed block",
    "Every `{` has its `}`. The message points at the brace that is probably not closed, judged "
    "by how the lines are indented.",
    'rflow 1\n\nflow a {\n  node x: sh {\n    script = "true"\n    pure\n}\n',
    'rflow 1\n\nflow a {\n  node x: sh {\n    script = "true"\n    pure\n  }\n}\n',
)
RF107 = Code(
    "RF107",
    "colon for `=`",
    "`name = value` gives a value to an input; a colon stands before a kind or a type. A clause "
    "has neither: `timeout 10m`.",
    in_node('script: "true"'),
    in_node('script = "true"'),
)
RF114 = Code(
    "RF114",
    "another tool's keyword",
    "The word is a keyword of another tool; the message says what stands for it here.",
    in_flow('steps {\n    node x: sh {\n      script = "true"\n      pure\n    }\n  }'),
    in_flow('sequence all {\n    node x: sh {\n      script = "true"\n      pure\n    }\n  }'),
)
RF123 = Code(
    "RF123",
    "keyword in the wrong place",
    "The keyword exists, but not here; the message says where it stands.",
    in_node('script = "true"\n    concurrency queue'),
    in_flow('concurrency queue\n  node x: sh {\n    script = "true"\n    pure\n  }'),
)
RF124 = Code(
    "RF124",
    "unknown word",
    "An entry begins with a keyword, or with an input's name and `=`; the word is neither.",
    in_node('script = "true"\n    timout 10m'),
    in_node('script = "true"\n    timeout 10m'),
)
RF131 = Code(
    "RF131",
    "closing brace too many",
    "Nothing is open that the brace could close.",
    "rflow 1\n\nflow a {\n  let b = 1\n}\n}\n",
    "rflow 1\n\nflow a {\n  let b = 1\n}\n",
)
RF139 = Code(
    "RF139",
    "`=` behind a keyword",
    "`name = value` belongs to inputs; a keyword of the language has no `=`.",
    in_flow("timeout = 10m"),
    in_flow("timeout 10m"),
)
RF145 = Code(
    "RF145",
    "missing `=`",
    "Between an input's name and its value stands `=`.",
    in_node('script "true"'),
    in_node('script = "true"'),
)
RF146 = Code(
    "RF146",
    "value without a place",
    "A flow, a group or a stage has no inputs. A value of a flow is declared with `let` or `arg`.",
    in_flow('version = "1.0"'),
    in_flow('let version = "1.0"'),
)

OTHER_TOOLS = {
    "steps": "write nodes, one after the other in a `sequence`",
    "step": "a step is a node: `node NAME: KIND { … }`",
    "jobs": "write the nodes straight into the flow",
    "job": "a job is a node or, for several nodes, a flow",
    "stages": "stages belong to a `pipeline`: `pipeline shop { stage staging }`",
    "resource": "what changes the world is a node: `node NAME: KIND { … }`",
    "data": "a value is declared with `let`",
    "variable": "an argument is declared with `arg NAME: TYPE`",
    "variables": "arguments are declared with `arg NAME: TYPE`",
    "locals": "a value is declared with `let NAME = …`",
    "module": "reuse a flow: `use FLOW as NAME { … }`",
    "provider": "kinds come from plugins; nothing is declared for them",
    "terraform": "a file begins with `rflow 1`",
    "task": "a task is a node: `node NAME: KIND { … }`",
    "tasks": "write the nodes straight into the flow",
    "target": "a target is a node: `node NAME: KIND { … }`",
    "workflow": "a workflow is a `flow`",
    "workflows": "a workflow is a `flow`",
    "def": "reuse is a flow: `flow NAME { … }`, then `use NAME as x { … }`",
    "func": "reuse is a flow: `flow NAME { … }`, then `use NAME as x { … }`",
    "function": "reuse is a flow: `flow NAME { … }`, then `use NAME as x { … }`",
    "include": 'files are imported: `import "other.rflow"`',
    "extends": "reuse a flow: `use FLOW as NAME { … }`",
    "template": "reuse a flow: `use FLOW as NAME { … }`",
    "macro": "reuse a flow: `use FLOW as NAME { … }`",
    "foreach": "write `each NAME in LIST` in the node's block",
    "for_each": "write `each NAME in LIST` in the node's block",
    "loop": "write `each NAME in LIST` in the node's block",
    "matrix": "write `each NAME in LIST` in the node's block",
    "strategy": "write `each NAME in LIST` in the node's block",
    "with_items": "write `each NAME in LIST` in the node's block",
    "for": "write `each NAME in LIST` in the node's block",
    "while": "loops run over lists: `each NAME in LIST`",
    "run": 'a command is the `script` of an `sh` node: `script = "…"`',
    "shell": 'a command is the `script` of an `sh` node: `script = "…"`',
    "command": 'a command is the `script` of an `sh` node: `script = "…"`',
    "uses": "the kind stands in the header: `node NAME: KIND { … }`",
    "with": "inputs stand in the node's block: `name = value`",
    "runs_on": "nodes run where rflow runs",
    "image": "the kind stands in the header: `node NAME: KIND { … }`",
    "on": "what starts a flow is a trigger: `trigger NAME: git { … }`",
    "triggers": "what starts a flow is a trigger: `trigger NAME: git { … }`",
    "schedule": "write `trigger NAME: cron { schedule = … }`",
    "needs": "write `after NAME` in the header",
    "if": "write `when` in the node's block",
    "unless": "write `when not …` in the node's block",
    "only": "write `when` in the node's block",
    "environment": "the stage a flow releases to stands behind `for`: `flow a for shop.staging`",
    "approval": "write `approve NAME { … }`",
    "gate": "write `approve NAME { … }`",
    "manual": "write `approve NAME { … }`",
    "retries": "write `retry 3`",
    "finalizer": "write `finally { … }`",
    "post": "write `finally { … }`",
    "always": "write `finally { … }`",
    "rescue": "write `on failure { … }`",
    "catch": "write `on failure { … }`",
    "outputs": "write one `output NAME = …` for each",
    "inputs": "write one `arg NAME: TYPE` for each",
    "params": "write one `arg NAME: TYPE` for each",
    "parameters": "write one `arg NAME: TYPE` for each",
    "args": "write one `arg NAME: TYPE` for each",
    "secrets": 'write one `secret NAME from env "KEY"` for each',
    "var": "a value is declared with `let NAME = …`",
    "const": "a value is declared with `let NAME = …`",
    "set": "a value is declared with `let NAME = …`",
    "echo": 'a command is the `script` of an `sh` node: `script = "…"`',
    "version": "the version of the language is the first line: `rflow 1`",
}
_STANDS_IN = {
    "ARG": "a flow", "SECRET": "a flow", "LET": "a flow", "CONCURRENCY": "a flow",
    "TRIGGER": "a flow", "FINALLY": "a flow", "ON": "a flow",
    "NODE": "a flow, a `sequence` or a `parallel`",
    "APPROVE": "a flow, a `sequence` or a `parallel`",
    "SEQUENCE": "a flow, a `sequence` or a `parallel`",
    "PARALLEL": "a flow, a `sequence` or a `parallel`",
    "USE": "a flow, a `sequence` or a `parallel`",
    "OUTPUT": "a flow, or a node that declares its type",
    "STAGE": "a `pipeline`", "PROTECT": "a `stage`", "OPEN": "a `stage`",
    "ROLLBACK": "a `stage`, or behind `on failure`",
    "FLOW": "the file itself", "PIPELINE": "the file itself", "GROUP": "the file itself",
    "IMPORT": "the file itself", "RFLOW": "the first line",
    "AFTER": "the header, before `{`",
    "WHEN": "the block of a node, an `approve`, a group or a `use`",
    "EACH": "the block of a node, a group or a `use`",
    "RETRY": "a flow or a node", "TIMEOUT": "a flow or a node",
    "LOCK": "a node", "UNDO": "a node", "KEEP": "a node", "IRREVERSIBLE": "a node",
    "PURE": "a node", "CONTINUE": "a node or an `approve`",
    "BY": "an `approve`", "COUNT": "an `approve`", "WITHIN": "an `approve`",
    "SELF": "an `approve`",
}  # fmt: skip
_A_PLACE = {
    "file": "the file itself",
    "approve": "an `approve`",
    "map": "a map",
    "undo": "an `undo`",
    "on failure": "`on failure`",
    "finally": "`finally`",
    "use": "a `use`",
    "retry": "the inputs of a retry policy",
}


def a_place(place: str) -> str:
    """What a block is called in a sentence."""
    return _A_PLACE.get(
        place, f"a `{place}`" if place in ("sequence", "parallel") else f"a {place}"
    )


def unclosed(s: Situation) -> Slip | None:
    """The end, or what belongs further out, before a block is closed."""
    block = s.block
    if block is None or not s.at_entry:
        return None
    token = s.token
    count = 1
    if token.kind == ID["END"]:
        count = sum(1 for o in s.opens if o.token.kind == ID["LBRACE"])
    else:
        count = s.closing(token.kind)
        if not count or not token.first:
            return None
        opened = [o for o in s.opens if o.token.kind == ID["LBRACE"]][-count]
        if token.indent > opened.token.indent:
            return None
        block = opened
    labels: tuple[Label, ...] = ()
    if s.suspect is not None and s.suspect[0].token.start >= s.opens[0].token.start:
        block, closer = s.suspect
        labels = (Label(s.source, closer.span, "this brace closes it, but is indented less"),)
    elif token.kind != ID["END"]:
        labels = (Label(s.source, token.span, "it should be closed before this"),)
    return Slip(
        RF102,
        block.token.span,
        f"the block of {a_place(block.place)} is not closed",
        label="opened here",
        help="write `}` where it ends",
        labels=labels,
        close=count,
    )


def closing_brace(s: Situation) -> Slip | None:
    """`}` where nothing is open."""
    if s.token.kind != ID["RBRACE"] or s.opens:
        return None
    return Slip(
        RF131,
        s.token.span,
        "this brace closes nothing",
        help="delete it",
        drop=1,
        insert=(),
    )


def colon(s: Situation) -> Slip | None:
    """`name: value`, or `keyword: value`."""
    token, following = s.token, s.peek(1)
    colons = (ID["COLON"], ID["TYPED"])
    if token.kind in colons and s.previous is not None and not s.at_entry:
        word = s.text(s.previous)
        if word in DEPENDENCIES:
            return no_order(s, s.previous, 0)
        if s.expects("EQUAL"):
            equal = as_kind(token, "EQUAL", token.start + 1)
            rest = without_colon(token, s.source.text)
            return Slip(
                RF107, equal.span, f"`:` stands for `=` behind `{word}`",
                help=f"write `{word} = …`", drop=1, insert=(equal, *rest),
            )  # fmt: skip
        if word == "on" and s.head is s.previous and s.place == "flow":
            return Slip(RF114, s.previous.span, "`on` is no keyword of rflow here",
                        help=OTHER_TOOLS["on"])  # fmt: skip
        if word not in KEYWORDS:
            return None
        return Slip(
            RF107,
            (token.start, token.start + 1),
            f"`{word}` stands without a colon",
            help=f"write `{word} …`",
            drop=1,
            insert=without_colon(token, s.source.text),
        )
    named = s.is_word() or token.kind in (ID["STRING"], ID["DOTTED"])
    if not named or following.kind not in colons:
        return None
    if not (s.at_entry and s.place in INPUT_PLACES) and not (s.expects("KEY") and not s.at_entry):
        return None
    word = s.text()
    if word in DEPENDENCIES:
        return no_order(s, token, 1)
    end = following.start + 1
    assigned = s.source.text.startswith(":=", following.start)
    return Slip(
        RF107,
        (following.start, end + assigned),
        f"`{':=' if assigned else ':'}` stands for `=` behind `{word}`",
        help=f"write `{word} = …`",
        drop=2 + assigned,
        insert=(
            as_kind(token, "KEY", following.start + 1),
            *without_colon(following, s.source.text),
        ),
    )


def valued_keyword(s: Situation) -> Slip | None:
    """`timeout = 10m` where no inputs stand, `version = 1` in a flow."""
    token = s.token
    if token.kind not in (ID["KEY"], ID["ASSIGN"]) or not s.at_entry:
        return None
    word = s.word().partition("=")[0].strip()
    kind = KEYWORDS.get(word)
    if kind is not None and s.accepts(kind):
        name = as_kind(token, "NAME", token.start + len(word))
        name.kind = kind
        single = token.kind == ID["KEY"] and s.peek(1).kind != ID["LBRACE"]
        return Slip(
            RF139,
            token.span,
            f"`{word}` stands without `=`",
            help=f"write `{word} …`",
            drop=1 if single else 0,
            insert=(name,) if single else None,
        )
    if s.peek(1).kind == ID["LBRACE"] and token.kind == ID["KEY"] and word in OTHER_TOOLS:
        return Slip(RF114, token.span, f"`{word}` is no keyword here", help=OTHER_TOOLS[word])
    return Slip(
        RF146,
        token.span,
        f"`{word} = …` has no place in {a_place(s.place)}",
        help=f"write `let {word} = …` for a value of the flow" if s.place == "flow" else None,
        suggestion=closest(word, s.keywords()) if s.place != "flow" else None,
    )


def foreign(s: Situation) -> Slip | None:
    """A keyword of another tool."""
    word = s.word()
    if not s.at_entry or word not in OTHER_TOOLS or not (s.is_word() or s.token.kind == ID["KEY"]):
        return None
    if s.place in INPUT_PLACES and s.peek(1).kind in VALUES and word in ("image", "command", "run"):
        return None
    return Slip(
        RF114, s.token.span, f"`{word}` is no keyword of rflow here", help=OTHER_TOOLS[word]
    )


def misplaced(s: Situation) -> Slip | None:
    """A keyword that stands elsewhere."""
    name = SYMBOLS[s.token.kind]
    if not s.at_entry or name not in _STANDS_IN:
        return None
    word = s.word()
    if (
        s.place in INPUT_PLACES
        and s.peek(1).kind in VALUES
        and not s.token.odd
        and name not in ("AFTER", "RETRY", "TIMEOUT", "WHEN", "EACH")
        and s.place != "node"
    ):
        return None
    if name == "STAGE" and s.place in ("flow", "sequence", "parallel"):
        step = (
            "a flow's stage stands in its header: `flow a for shop.staging`; "
            "nodes that belong together stand in a `sequence`"
        )
    else:
        step = f"it stands in {_STANDS_IN[name]}"
    return Slip(RF123, s.token.span, f"`{word}` cannot stand in {a_place(s.place)}", help=step)


def block_or_value(s: Situation) -> Slip | None:
    """`env {`, `script "true"`."""
    if not s.at_entry or s.place not in INPUT_PLACES or not s.is_word():
        return None
    word, following = s.word(), s.peek(1)
    near = closest(word, s.keywords())
    if following.kind == ID["LBRACE"]:
        key = as_kind(s.token, "KEY")
        return Slip(
            RF108,
            s.token.span,
            f"`{word} {{` begins a block, and {a_place(s.place)} has no block of this name",
            help=f"write `{word} = {{` for a map" if near is None else None,
            suggestion=near,
            drop=1,
            insert=(key,),
        )
    if following.kind in VALUES and not following.first and near is None:
        return Slip(
            RF145,
            s.token.span,
            f"behind `{word}` a `=` is missing",
            help=f"write `{word} = …`",
            drop=1,
            insert=(as_kind(s.token, "KEY"),),
        )
    return None


def unknown_word(s: Situation) -> Slip | None:
    """A word that begins nothing."""
    if not s.at_entry or not (s.is_word() or s.token.kind == ID["DOTTED"]):
        return None
    word = s.text()
    near = closest(word, s.keywords())
    step = None
    if near is None:
        words = [w for w in s.keywords() if w in KEYWORDS]
        listed = ", ".join(f"`{w}`" for w in words[:8]) + (", …" if len(words) > 8 else "")
        inputs = "`NAME = VALUE`" if s.expects("KEY") else ""
        step = "an entry begins with " + " or ".join(x for x in (inputs, listed) if x)
    slip = Slip(
        RF124, s.token.span, f"`{word}` begins nothing in {a_place(s.place)}",
        help=step, suggestion=near,
    )  # fmt: skip
    if near is not None:
        meant = as_kind(s.token, "NAME")
        meant.kind = KEYWORDS[near]
        slip.drop, slip.insert = 1, (meant,)
    return slip


FORMS = {
    "import": 'write `import "other.rflow"`',
    "group": 'write `group NAME { members = ["oncall@example.com"] }`',
    "pipeline": "write `pipeline NAME { stage NAME }`",
    "stage": "write `stage NAME` or `stage NAME { protect }`",
    "open": 'write `open "Mon-Thu 09:00-16:00 Europe/Berlin"`',
    "flow": "write `flow NAME { … }` or `flow NAME for PIPELINE.STAGE { … }`",
    "arg": "write `arg NAME: TYPE` or `arg NAME: TYPE = DEFAULT`",
    "secret": 'write `secret NAME from env "KEY"`',
    "let": "write `let NAME = VALUE`",
    "concurrency": "write `concurrency queue`",
    "trigger": "write `trigger NAME: KIND { … }`",
    "node": "write `node NAME: KIND { … }` or `node NAME: KIND after OTHER, ANOTHER { … }`",
    "approve": "write `approve NAME after OTHER { … }`",
    "sequence": "write `sequence NAME { … }` or `sequence NAME after OTHER { … }`",
    "parallel": "write `parallel NAME { … }` or `parallel NAME after OTHER { … }`",
    "use": "write `use FLOW as NAME { … }`",
    "on": "write `on failure rollback`, `on failure { … }` or `on failure rollback { … }`",
    "finally": "write `finally { … }`",
    "when": "write `when CONDITION`",
    "each": "write `each NAME in LIST` or `each NAME in LIST at most 2`",
    "retry": "write `retry 3`, `retry 3 backoff 1s..30s`, `retry 3 every 5s` or `retry none`",
    "timeout": "write `timeout 10m`",
    "lock": 'write `lock "NAME"`',
    "undo": "write `undo KIND { … }`",
    "keep": 'write `keep "why it is safe to leave"`',
    "irreversible": 'write `irreversible "why it cannot be undone"`',
    "continue": "write `continue on failure`",
    "by": 'write `by GROUP, "oncall@example.com"`',
    "count": "write `count 2`",
    "within": "write `within 48h else reject` or `within 48h else rollback`",
    "rollback": "write `rollback by GROUP count 2`",
}
"""How an entry is written, by the keyword it begins with."""


def missing_equal(s: Situation) -> Slip | None:
    """`{ "a" 1 }`."""
    if not s.expects("EQUAL") or s.previous is None or s.token.kind not in VALUES or s.token.first:
        return None
    key = s.text(s.previous)
    equal = as_kind(s.token, "EQUAL", s.token.start)
    return Slip(
        RF145,
        s.previous.span,
        f"behind `{key}` a `=` is missing",
        help=f"write `{key} = …`",
        insert=(equal,),
    )


def last_resort(s: Situation) -> Slip:
    """What is expected, and what stands here."""
    step = None if s.head is None or s.at_entry else FORMS.get(s.text(s.head))
    if s.head is not None and s.text(s.head) == "output":
        step = "write `output NAME: TYPE`" if s.place == "node" else "write `output NAME = VALUE`"
    if s.at_entry:
        wanted = "a declaration" if s.place == "file" else f"an entry of {a_place(s.place)}"
    else:
        wanted = s.wanted()
    if s.previous is not None and not s.at_entry and (s.token.first or s.token.kind == ID["END"]):
        before = s.text(s.previous)
        shown = before if len(before) < 40 and "\n" not in before else "this"
        message = f"behind `{shown}` {wanted} is expected".replace("`this`", "this")
        return Slip(RF101, s.previous.span, message, help=step)
    return Slip(RF101, s.token.span, f"{s.found()} where {wanted} is expected", help=step)
