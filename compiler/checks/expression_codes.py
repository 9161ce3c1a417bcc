"""The codes of `lower`: what can be wrong with an expression and its type."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

UNKNOWN_FILTER = Code(
    "RF207",
    "there is no such filter",
    "What stands behind a `|` is a filter that rflow or a plugin supplies; the reference lists "
    "them beside the names that other tools have for them.",
    bad="""rflow 1

flow release {
  arg branch: string = "main"
  node build: sh { script = "make $<args.branch | slugg>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg branch: string = "main"
  node build: sh { script = "make $<args.branch | slug>"  pure }
}
""",
)

WRONG_TYPE = Code(
    "RF301",
    "a value of the wrong type",
    "Every input says of which type it is, and nothing is converted by itself: a number is not a "
    "string, a string is not a list.",
    bad="""rflow 1

flow release {
  arg port: int = "8080"
  node build: sh { script = "make port=$<args.port>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg port: int = 8080
  node build: sh { script = "make port=$<args.port>"  pure }
}
""",
)

GIVEN_TWICE = Code(
    "RF303",
    "an input or key is given twice",
    "Which of the two values is meant cannot be told.",
    bad="""rflow 1

flow release {
  node build: sh {
    script = "make"
    script = "make install"
    pure
  }
}
""",
    good="""rflow 1

flow release {
  node build: sh {
    script = "make && make install"
    pure
  }
}
""",
)

NEVER = Code(
    "RF305",
    "a comparison that is decided before the run",
    "A comparison of values that can never be equal is a slip: a word that is not among the "
    "possible ones, or a number beside a string.",
    bad="""rflow 1

flow release {
  arg channel: "stable" | "canary" = "stable"
  node build: sh {
    when $<args.channel> == "stabel"
    script = "make"
    pure
  }
}
""",
    good="""rflow 1

flow release {
  arg channel: "stable" | "canary" = "stable"
  node build: sh {
    when $<args.channel> == "stable"
    script = "make"
    pure
  }
}
""",
)

NOT_BOOL = Code(
    "RF306",
    "a condition that is no bool",
    "`when`, `if`, `and`, `or` and `not` take a bool. There is no truthiness: whether an empty "
    "string or a zero counts as yes or no is written out, as a comparison.",
    bad="""rflow 1

flow release {
  arg note: string = ""
  node tell: sh {
    when $<args.note>
    script = "echo $<args.note>"
    pure
  }
}
""",
    good="""rflow 1

flow release {
  arg note: string = ""
  node tell: sh {
    when $<args.note> != ""
    script = "echo $<args.note>"
    pure
  }
}
""",
)

OPERANDS = Code(
    "RF307",
    "an operator with values it does not take",
    "Arithmetic takes numbers and durations, `<` compares numbers or durations, `matches` takes a "
    "string and a glob. Strings are joined by writing them into one.",
    bad="""rflow 1

flow release {
  arg version: string
  let tag = "shop-" + $<args.version>
  node build: sh { script = "make $<let.tag>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg version: string
  let tag = "shop-$<args.version>"
  node build: sh { script = "make $<let.tag>"  pure }
}
""",
)

NOT_SCALAR = Code(
    "RF308",
    "a string with a value in it that is no scalar",
    "A string takes strings, numbers, bools and durations. How a list or a map is to be written "
    "is for the flow to say.",
    bad="""rflow 1

flow release {
  arg tags: list(string) = ["a", "b"]
  node build: sh { script = "make tags=$<args.tags>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg tags: list(string) = ["a", "b"]
  node build: sh { script = "make tags=$<args.tags | join(",")>"  pure }
}
""",
)

MAY_MISS = Code(
    "RF309",
    "a value that may be missing",
    "An argument of type `T?`, an output of a node that has a `when` or `continue on failure`, "
    "and anything read in `on failure` or `finally` may not be there. It needs a default, or a "
    "`when` under which it is: `$<refs.NODE.ran>`, or the condition under which the node runs.",
    bad="""rflow 1

flow release {
  arg note: string?
  node tell: sh { script = "echo $<args.note>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg note: string?
  node tell: sh { script = "echo $<args.note | default("nothing new")>"  pure }
}
""",
)

FILTER = Code(
    "RF324",
    "a filter with values it does not take",
    "A filter declares what it takes before the `|` and in its brackets, and what it gives.",
    bad="""rflow 1

flow release {
  arg tags: list(string) = ["a", "b"]
  node build: sh { script = "make $<args.tags | slug>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg tags: list(string) = ["a", "b"]
  node build: sh { script = "make $<args.tags | join("-") | slug>"  pure }
}
""",
)

NOT_AMONG = Code(
    "RF325",
    "a value that is not among the possible ones",
    'A union such as `"stable" | "canary"` lists all values that are allowed.',
    bad="""rflow 1

flow release {
  arg channel: "stable" | "canary" = "stabel"
  node build: sh { script = "make $<args.channel>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg channel: "stable" | "canary" = "stable"
  node build: sh { script = "make $<args.channel>"  pure }
}
""",
)
