"""The codes of `names`: duplicate, clashing and reserved names, unknown kinds."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

DECLARED_TWICE = Code(
    "RF213",
    "a name is declared twice",
    "Within a flow every node, approval, group, `use` and trigger has a name of its own, since "
    "`after` and `$<refs.…>` say only the name; so have arguments, secrets and lets, each among "
    "themselves, and the declarations of a file.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
  node build: sh { script = "make install"  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
  node install: sh { script = "make install"  pure }
}
""",
)

CLASH = Code(
    "RF214",
    "two files declare the same name",
    "A file and all it imports share one namespace: two flows, two pipelines or two groups of "
    "people with one name would leave open which of them is meant. Rename one.",
)

RESERVED = Code(
    "RF218",
    "a name that rflow needs itself",
    "`$<refs.trigger.…>` is the git trigger that started the run and `$<refs.NAME.ran>` says "
    "whether a node ran, so nothing else can have these names; `args` and `let` would stand in "
    "the way in the names of a flow that is used.",
    bad="""rflow 1

flow release {
  node trigger: sh { script = "make"  pure }
}
""",
    good="""rflow 1

flow release {
  node start: sh { script = "make"  pure }
}
""",
)

WEBHOOK_ARGUMENT = Code(
    "RF216",
    "an argument that a webhook cannot give",
    "A call of a webhook may label the run with `name` and `description`; in a flow with such a "
    "trigger an argument of that name could not be given.",
    bad="""rflow 1

flow release {
  arg name: string = "shop"
  trigger hook: webhook
  node build: sh { script = "make $<args.name>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg service: string = "shop"
  trigger hook: webhook
  node build: sh { script = "make $<args.service>"  pure }
}
""",
)

UNKNOWN_KIND = Code(
    "RF201",
    "there is no such kind",
    "What stands behind the colon is a kind that a plugin supplies. `rflow plugins` lists those "
    "that are installed.",
    bad="""rflow 1

flow release {
  node build: shell { script = "make"  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
}
""",
)

UNKNOWN_TRIGGER = Code(
    "RF221",
    "there is no such kind of trigger",
    "What stands behind the colon is a kind of trigger that a plugin supplies. `rflow plugins` "
    "lists those that are installed.",
    bad="""rflow 1

flow release {
  trigger nightly: crom { schedule = "0 2 * * *" }
  node build: sh { script = "make"  pure }
}
""",
    good="""rflow 1

flow release {
  trigger nightly: cron { schedule = "0 2 * * *" }
  node build: sh { script = "make"  pure }
}
""",
)
