"""The codes of `references`: what can be wrong with a path."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

UNKNOWN_OUTPUT = Code(
    "RF203",
    "there is no such output or field",
    "A path names an output of a node, a field of a trigger or a part of a value that does not "
    "exist. Kinds declare what they put out (`rflow plugins show KIND`); an `sh` node declares its "
    "outputs itself: `output version: string`.",
    bad="""rflow 1

flow release {
  trigger main: git { repo = "shop.git"  branches = ["main"] }
  node build: sh { script = "make $<refs.main.brunch>"  pure }
}
""",
    good="""rflow 1

flow release {
  trigger main: git { repo = "shop.git"  branches = ["main"] }
  node build: sh { script = "make $<refs.main.branch>"  pure }
}
""",
)

UNKNOWN_NAME = Code(
    "RF204",
    "a reference to something that is not declared",
    "`$<args.…>` reads the arguments of the flow, `$<refs.…>` its nodes and triggers, "
    "`$<secrets.…>` its secrets and `$<let.…>` its lets; what is read must be declared in the "
    "same flow.",
    bad="""rflow 1

flow release {
  arg replicas: int = 2
  node build: sh { script = "make -j $<args.repicas>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg replicas: int = 2
  node build: sh { script = "make -j $<args.replicas>"  pure }
}
""",
)

UNKNOWN_ROOT = Code(
    "RF205",
    "a path that begins with nothing known",
    "A path says where to look before it says for what: `args`, `secrets`, `refs`, `let`, `run`, "
    "`flow`, `stage`, `each` or, in an `undo`, `done`.",
    bad="""rflow 1

flow release {
  arg replicas: int = 2
  node build: sh { script = "make -j $<replicas>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg replicas: int = 2
  node build: sh { script = "make -j $<args.replicas>"  pure }
}
""",
)

NO_GIT_TRIGGER = Code(
    "RF215",
    "`refs.trigger` in a flow without a git trigger",
    "`$<refs.trigger.…>` is the git trigger that started the run, or the first one declared. "
    "Without any git trigger it would be nothing.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make $<refs.trigger.sha>"  pure }
}
""",
    good="""rflow 1

flow release {
  trigger main: git { repo = "shop.git"  branches = ["main"] }
  node build: sh { script = "make $<refs.trigger.sha>"  pure }
}
""",
)

UNKNOWN_LOOP = Code(
    "RF219",
    "a loop variable that no loop around declares",
    "`$<each.NAME>` is the element of the turn of a loop, and is there only inside: in the node, "
    "group or `use` that has the `each`.",
    bad="""rflow 1

flow release {
  node deploy: sh {
    each site in ["eu", "us"]
    script = "make deploy-$<each.region>"
    pure
  }
}
""",
    good="""rflow 1

flow release {
  node deploy: sh {
    each site in ["eu", "us"]
    script = "make deploy-$<each.site>"
    pure
  }
}
""",
)

NOT_HERE = Code(
    "RF223",
    "a value that cannot be read at this place",
    "Some values exist only in some places: a trigger is set up before there is a run, so it "
    "cannot read arguments; a default is a constant; `stage` is there only in a flow for a stage, "
    "`done` only in an `undo`, `it` only in a chain over elements.",
    bad="""rflow 1

flow release {
  arg repo: string = "shop.git"
  trigger main: git { repo = $<args.repo>  branches = ["main"] }
  node build: sh { script = "make $<refs.main.sha>"  pure }
}
""",
    good="""rflow 1

flow release {
  trigger main: git { repo = "shop.git"  branches = ["main"] }
  node build: sh { script = "make $<refs.main.sha>"  pure }
}
""",
)

WHY_NOT = {
    "in a trigger": "a trigger is set up before there is a run; it may read `secrets`, `flow`, "
    "`stage` and lets of these",
    "in a default": "a default is a constant; compute with it in a `let`",
}

LATER_SECTION = Code(
    "RF406",
    "a value is read before it can exist",
    "The nodes of `on failure` start when the flow has failed and those of `finally` at the very "
    "end; what comes before them cannot read what they put out.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make $<refs.clean.size>"  pure }
  finally {
    node clean: sh { script = "make clean"  output size: int  pure }
  }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  output size: int  pure }
  finally {
    node clean: sh { script = "make clean-$<refs.build.size | default(0)>"  pure }
  }
}
""",
)

INTO_LOOP = Code(
    "RF412",
    "reading of a loop what only one turn can say",
    "From outside, a value of a node with `each` is the list of what its instances put out. "
    "Whether it ran is not one answer but many; and within the loop a `let`, which reads the whole "
    "list, would have to wait for turns that wait for each other.",
    bad="""rflow 1

flow release {
  arg sites: list(string) = ["eu", "us"]
  node deploy: sh {
    each site in $<args.sites>
    when $<each.site> == "eu"
    script = "make deploy"
    pure
  }
  node tell: sh { when $<refs.deploy.ran>  script = "make tell"  pure }
}
""",
    good="""rflow 1

flow release {
  arg sites: list(string) = ["eu", "us"]
  node deploy: sh {
    each site in $<args.sites>
    when $<each.site> == "eu"
    script = "make deploy"
    output url: string
    pure
  }
  node tell: sh {
    when $<refs.deploy.url | length> > 0
    script = "make tell"
    pure
  }
}
""",
)

UNDO_READS = Code(
    "RF506",
    "an undo that reads its own node by name",
    "What an `undo` needs must exist whenever it comes to it, be it days later or after a crash. "
    "Its node's own outputs are kept with the effect: they are `$<done.…>`. A reference to another "
    "node is an edge, as anywhere: the node waits for that one, so the value is there. A node "
    "cannot wait for itself.",
    bad="""rflow 1

flow release {
  node grow: sh {
    script = "make grow"
    output rows: int
    undo sh { script = "make shrink-$<refs.grow.rows>" }
  }
}
""",
    good="""rflow 1

flow release {
  node grow: sh {
    script = "make grow"
    output rows: int
    undo sh { script = "make shrink-$<done.rows>" }
  }
}
""",
)
