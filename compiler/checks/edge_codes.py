"""The codes of `edges`: what can be wrong with the graph of a flow."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

UNKNOWN_AFTER = Code(
    "RF206",
    "a name behind `after` that is not declared",
    "`after` takes nodes, approvals, groups and uses of the same flow, by their names. What a node "
    "reads it waits for without `after`.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
  node deploy: sh after biuld { script = "make deploy"  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
  node deploy: sh after build { script = "make deploy"  pure }
}
""",
)

CIRCLE = Code(
    "RF401",
    "a circle in the graph",
    "A node starts when all it waits for has ended, by `after`, by a reference or by its place in "
    "a sequence. In a circle none could ever start.",
    bad="""rflow 1

flow release {
  node build: sh after test { script = "make"  output version: string  pure }
  node test: sh { script = "make test-$<refs.build.version>"  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  output version: string  pure }
  node test: sh { script = "make test-$<refs.build.version>"  pure }
}
""",
)

AFTER_ITSELF = Code(
    "RF402",
    "a node that waits for itself",
    "A node cannot come after itself.",
    bad="""rflow 1

flow release {
  node build: sh after build { script = "make"  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
}
""",
)

EMPTY_GROUP = Code(
    "RF407",
    "a group with nothing in it",
    "A `sequence` or `parallel` names a part of the graph; an empty one names nothing.",
    bad="""rflow 1

flow release {
  sequence database { }
}
""",
    good="""rflow 1

flow release {
  sequence database {
    node migrate: sh { script = "make migrate"  keep "migrations only add columns" }
  }
}
""",
)

ACROSS = Code(
    "RF410",
    "an `after` from one part of a flow into another",
    "The flow's own nodes run first, those of `on failure` when it has failed, those of `finally` "
    "at the end. Within each part `after` gives the order; between the parts it is given.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
  finally {
    node clean: sh after build { script = "make clean"  pure }
  }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
  finally {
    node clean: sh { script = "make clean"  pure }
  }
}
""",
)
