"""The JSON Schema (2020-12) of a plan, from which its reference is made.

This module owns the descriptions of fields for people who read plans with other tools. That it
says the same as `codec` reads and writes is tested, in both directions: every plan that is written
fits, and every field of `plan` is described.
"""

from __future__ import annotations

from rflow.compiler.plan import PLAN_VERSION
from rflow.compiler.schema_forms import (
    BOOL,
    COUNT,
    EXPR,
    EXPRESSION,
    PLACE,
    SECONDS,
    SECTION,
    TEXT,
    Schema,
    form,
    listed,
    mapped,
    object_of,
    or_null,
    pairs,
    said,
)

ID = "https://rflow.example.com/schema/plan-1.json"

_INPUTS = "What is given to it: name and expression."

_DEFS: dict[str, Schema] = {
    "expression": EXPRESSION,
    "place": {
        "description": "Where something stands: the index of its file in `sources`, then the "
        "offsets, in characters, of its start and its end.",
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0}] * 3,
        "items": False,
        "minItems": 3,
    },
    "stage": object_of(
        "The stage that the flow releases to.",
        {
            "pipeline": TEXT,
            "name": TEXT,
            "protected": said(BOOL, "Every effect lies behind an approval.", default=False),
            "open": said(listed(TEXT), "When effects may happen; always, if empty.", default=[]),
            "before": said(or_null(TEXT), "The stage before it.", default=None),
            "rollback_by": said(
                listed(TEXT), "Who may confirm a rollback; anyone, if empty.", default=[]
            ),
            "rollback_count": said(COUNT, "How many must confirm a rollback.", default=1),
        },
        "protected open before rollback_by rollback_count",
    ),
    "arg": object_of(
        "An argument of the flow.",
        {
            "name": TEXT,
            "type": said(TEXT, "Its type, as rflow writes it: `list(string)?`."),
            "required": said(BOOL, "It has no default and must be given."),
            "default": said(or_null(EXPR), "Its default; null if it has none."),
            "secret": said(BOOL, "Its value is never shown."),
            "doc": TEXT,
            "place": PLACE,
        },
    ),
    "secret": object_of(
        "A secret: where its value is asked for. Never the value.",
        {
            "name": said(TEXT, "Its name; that of a used flow begins with the path of its use."),
            "source": said(TEXT, "The secret source, such as `env`."),
            "key": said(TEXT, "What the source is asked for."),
            "place": PLACE,
        },
    ),
    "trigger": object_of(
        "What starts the flow.",
        {"name": TEXT, "kind": TEXT, "inputs": mapped(EXPR), "doc": TEXT, "place": PLACE},
    ),
    "loop": object_of(
        "An `each`: expanded when a run is created.",
        {
            "id": said(TEXT, "The id of the node, group or use it stands in."),
            "name": said(TEXT, "The name of its element: `$<each.NAME>`."),
            "over": said(EXPR, "The list."),
            "at_most": said(or_null(COUNT), "How many instances run at once; null: all."),
            "parent": said(or_null(TEXT), "The id of the loop around it."),
            "place": PLACE,
        },
    ),
    "group": object_of(
        "A named part of the graph.",
        {
            "id": TEXT,
            "order": {"enum": ["sequence", "parallel", "use"]},
            "parent": said(or_null(TEXT), "The group around it."),
            "section": SECTION,
            "loop": said(or_null(TEXT), "The id of its own loop."),
            "doc": TEXT,
            "place": PLACE,
        },
    ),
    "retry": object_of(
        "How often a node is tried, and when.",
        {
            "attempts": said(COUNT, "All attempts, the first included."),
            "delays_s": said(listed(SECONDS), "The delay before each attempt but the first."),
            "jitter": said(
                {"type": "number", "minimum": 0, "maximum": 1},
                "The part of a delay that the run's seed may take from it.",
                default=0.0,
            ),
        },
        "jitter",
    ),
    "contract": object_of(
        "What rolling back means for a node.",
        {
            "type": said(
                {"enum": ["self", "undo", "keep", "irreversible", "pure", "none"]},
                "`self`: its kind undoes it · `undo`: another node does · `keep`: leaving it is "
                "safe · `irreversible`: nothing can undo it · `pure`: it changes nothing · "
                "`none`: it does not say.",
            ),
            "reason": said(TEXT, "Why, for `keep` and `irreversible`.", default=""),
            "kind": said(TEXT, "The kind of the node that undoes it.", default=""),
            "inputs": said(pairs(EXPR), "What that node is given.", default=[]),
            "program": said(
                pairs(EXPR), "The variables that carry references into its program.", default=[]
            ),
        },
        "reason kind inputs program",
    ),
    "approval": object_of(
        "Who must approve.",
        {
            "by": said(listed(TEXT), "Groups and people as written; empty: anyone."),
            "people": said(listed(TEXT), "All who may approve."),
            "count": said(COUNT, "How many must."),
            "within_s": said(SECONDS, "How long it waits."),
            "otherwise": said({"enum": ["reject", "rollback"]}, "What happens after that."),
            "self_ok": said(BOOL, "Who started the run may approve it too."),
            "slice": said(
                listed(TEXT), "The nodes behind the gate, to which a decision binds.", default=[]
            ),
        },
        "slice",
    ),
    "node": object_of(
        "A node of the graph.",
        {
            "id": said(TEXT, "Its path through `use`: `check.ping`."),
            "kind": said(TEXT, "A kind of a plugin, `approve`, or `join`, which does nothing."),
            "section": SECTION,
            "after": said(listed(TEXT), "The ids of the nodes it waits for."),
            "place": PLACE,
            "doc": said(TEXT, "Its documentation.", default=""),
            "group": said(or_null(TEXT), "The id of the group it stands in.", default=None),
            "loops": said(listed(TEXT), "The loops around it, outermost first.", default=[]),
            "whens": said(
                listed(form(EXPR, PLACE)),
                "The conditions that must all hold, each with its place; else it is skipped.",
                default=[],
            ),
            "inputs": said(or_null(mapped(EXPR)), _INPUTS, default=None),
            "program": said(
                or_null(mapped(pairs(EXPR))),
                "For inputs that are programs: the variables that carry references into them.",
                default=None,
            ),
            "outputs": said(or_null(mapped(TEXT)), "The types of its outputs.", default=None),
            "secret_outputs": said(listed(TEXT), "Those that are secret.", default=[]),
            "retry": said(
                {"$ref": "#/$defs/retry"},
                "How often it is tried.",
                default={"attempts": 1, "delays_s": []},
            ),
            "timeout_s": said(or_null(SECONDS), "How long an attempt may take.", default=None),
            "lock": said(or_null(EXPR), "The name of the lock that it holds.", default=None),
            "contract": said(
                {"$ref": "#/$defs/contract"},
                "What rolling back means for it.",
                default={"type": "pure"},
            ),
            "effect": said(or_null(TEXT), "The sort of thing that it changes.", default=None),
            "repeatable": said(
                BOOL, "An attempt that was cut off may be started again.", default=False
            ),
            "recovers": said(
                BOOL, "Its kind can tell whether an attempt took effect.", default=False
            ),
            "continue_on_failure": said(
                BOOL, "The run goes on if it fails, and ends with a warning.", default=False
            ),
            "approval": said(
                or_null({"$ref": "#/$defs/approval"}), "Set where it is a gate.", default=None
            ),
            "restores": said(
                listed({"$ref": "#/$defs/restore"}),
                "In a rollback's plan: what its kind is asked to restore instead of being run.",
                default=[],
            ),
        },
        "doc group loops whens inputs program outputs secret_outputs retry timeout_s lock "
        "contract effect repeatable recovers continue_on_failure approval restores",
    ),
    "restore": object_of(
        "A resource that a rollback sets back.",
        {
            "resource": said(TEXT, "Its name."),
            "now": said(EXPR, "Its value when the plan was made."),
            "value": said(EXPR, "The value that it gets."),
        },
    ),
    "output": object_of(
        "An output of the flow, read when the run has ended well.",
        {"name": TEXT, "value": EXPR, "type": TEXT, "place": PLACE},
    ),
    "source": object_of(
        "A file that the plan was made from.",
        {
            "path": said(TEXT, "Its path, relative to the folder of the flow's file."),
            "text": said(TEXT, "Its text."),
        },
    ),
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": ID,
    "title": "A plan of rflow",
    **object_of(
        "What a flow compiles to, and all that a run needs to know of it. Fields that have a "
        "default are left out where they have it.",
        {
            "version": said({"const": PLAN_VERSION}, "The version of this form."),
            "flow": said(TEXT, "The name of the flow."),
            "doc": said(TEXT, "Its documentation."),
            "stage": said(or_null(_ref("stage")), "The stage it releases to, if any."),
            "concurrency": said(
                {"enum": ["allow", "queue", "forbid", "latest", "replace"]},
                "What happens when a run is to start while another is going on.",
            ),
            "timeout_s": said(or_null(SECONDS), "How long a run may be running."),
            "args": listed(_ref("arg")),
            "secrets": listed(_ref("secret")),
            "triggers": listed(_ref("trigger")),
            "values": said(
                mapped(EXPR),
                "Bindings: `let.NAME`, and for each use `USE.args.NAME` and its outputs.",
            ),
            "loops": listed(_ref("loop")),
            "groups": listed(_ref("group")),
            "nodes": said(
                listed(_ref("node")), "In topological order within their sections, ties by place."
            ),
            "outputs": listed(_ref("output")),
            "rollback_on_failure": said(BOOL, "A run that fails undoes what it did."),
            "kinds": said(mapped(TEXT), "The kinds used, with plugin and version."),
            "sources": listed(_ref("source")),
            "file": said(
                {"type": "integer", "minimum": 0},
                "The index of the flow's own file in `sources`.",
                default=0,
            ),
        },
        "file",
    ),
    "$defs": _DEFS,
}
