"""The codes of `uses`."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

UNKNOWN_FLOW = Code(
    "RF212",
    "there is no such flow",
    "`use FLOW as NAME` takes a flow of this file or of one it imports.",
    bad="""rflow 1

flow smoke {
  node ping: http.check { url = "https://shop.example.com/health" }
}

flow release {
  use smoek as check { }
}
""",
    good="""rflow 1

flow smoke {
  node ping: http.check { url = "https://shop.example.com/health" }
}

flow release {
  use smoke as check { }
}
""",
)

USES_ITSELF = Code(
    "RF403",
    "a flow that uses itself",
    "A used flow's graph is put in place of the `use`; one that uses itself, be it through others, "
    "would never end.",
    bad="""rflow 1

flow release {
  use release as again { }
}
""",
    good="""rflow 1

flow build {
  node make: sh { script = "make"  pure }
}

flow release {
  use build as again { }
}
""",
)

NOT_USABLE = Code(
    "RF404",
    "a used flow with `on failure` or `finally`",
    "What happens when a run fails or ends is for the flow that is run to say; a flow that is "
    "used is a part of it.",
    bad="""rflow 1

flow build {
  node make: sh { script = "make"  pure }
  finally { node clean: sh { script = "make clean"  pure } }
}

flow release {
  use build as image { }
}
""",
    good="""rflow 1

flow build {
  node make: sh { script = "make"  pure }
}

flow release {
  use build as image { }
  finally { node clean: sh { script = "make clean"  pure } }
}
""",
)

OTHER_STAGE = Code(
    "RF405",
    "a flow for a stage, used elsewhere",
    "A flow that says which stage it is for counts on it: on its approvals, its resources, its "
    "windows. It can only be used in a flow for the same stage.",
    bad="""rflow 1

pipeline shop { stage staging  stage production }

flow deploy for shop.production {
  node make: sh { script = "make deploy"  keep "it can stay" }
}

flow release for shop.staging {
  use deploy as go { }
}
""",
    good="""rflow 1

pipeline shop { stage staging  stage production }

flow deploy {
  node make: sh { script = "make deploy"  keep "it can stay" }
}

flow release for shop.staging {
  use deploy as go { }
}
""",
)

OWN_TRIGGER = Code(
    "RF408",
    "a used flow that reads its own trigger",
    "Triggers do not come along when a flow is used: what started the run is a trigger of the "
    "flow that is run, so the used one takes what it needs as arguments.",
    bad="""rflow 1

flow build {
  trigger main: git { repo = "shop.git"  branches = ["main"] }
  node make: sh { script = "make $<refs.main.sha>"  pure }
}

flow release {
  use build as image { }
}
""",
    good="""rflow 1

flow build {
  arg sha: string
  node make: sh { script = "make $<args.sha>"  pure }
}

flow release {
  trigger main: git { repo = "shop.git"  branches = ["main"] }
  use build as image { sha = $<refs.main.sha> }
}
""",
)

TOO_LARGE = Code(
    "RF409",
    "a flow that becomes too large",
    "A used flow is put in place of each `use`, so flows that use flows can become very large: "
    "ten levels of ten uses each are ten thousand million nodes.",
    bad="rflow 1\n\n"
    + "\n".join(
        f"flow level{n} {{ " + " ".join(f"use level{n + 1} as u{u} {{ }}" for u in range(10)) + " }"
        for n in range(5)
    )
    + '\nflow level5 { node build: sh { script = "make"  pure } }\n',
    good="""rflow 1

flow release {
  use level1 as one { }
  use level1 as two { }
}
flow level1 { node build: sh { script = "make"  pure } }
""",
)
