"""The codes of `gates`."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

NOT_GATED = Code(
    "RF501",
    "an effect on a protected stage without an approval before it",
    "On a stage that is protected, every effect lies behind an approval that cannot be skipped: "
    "one without `when`, not in a group or `use` that has one, and without `continue on failure`. "
    "A node waits for all it comes after, so an approval anywhere before it will do; one within a "
    "loop counts for the turns of that loop, and outside only if the list is written out and not "
    "empty.",
    bad="""rflow 1

pipeline shop { stage production { protect } }

flow release for shop.production {
  node build: sh { script = "make"  pure }
  node deploy: sh after build { script = "make deploy"  keep "it can stay" }
}
""",
    good="""rflow 1

pipeline shop { stage production { protect } }

flow release for shop.production {
  node build: sh { script = "make"  pure }
  approve go_live after build { }
  node deploy: sh after go_live { script = "make deploy"  keep "it can stay" }
}
""",
)

NO_CONTRACT = Code(
    "RF502",
    "an effect that does not say what rolling it back means",
    "In a flow for a protected stage every effect has a contract: its kind undoes itself, or the "
    'node says `undo KIND { … }`, `keep "why"`, `irreversible "why"` or, for an `sh` that '
    "changes nothing, `pure`. Elsewhere `rflow check` only counts those without.",
    bad="""rflow 1

pipeline shop { stage production { protect } }

flow release for shop.production {
  approve go_live { }
  node migrate: sh after go_live { script = "make migrate" }
}
""",
    good="""rflow 1

pipeline shop { stage production { protect } }

flow release for shop.production {
  approve go_live { }
  node migrate: sh after go_live {
    script = "make migrate"
    keep "migrations only add columns"
  }
}
""",
)

EFFECT_AT_END = Code(
    "RF512",
    "an effect in `on failure` or `finally` of a flow for a protected stage",
    "What runs when a run has failed or ended cannot wait for an approval, so on a protected "
    "stage it changes nothing: it tells, or cleans up its own workspace. What must be put back is "
    "put back by `undo`, which needs no approval.",
    bad="""rflow 1

pipeline shop { stage production { protect } }

flow release for shop.production {
  node build: sh { script = "make"  pure }
  finally { node clean: sh { script = "rm -r /srv/shop/tmp"  keep "it can go" } }
}
""",
    good="""rflow 1

pipeline shop { stage production { protect } }

flow release for shop.production {
  node build: sh { script = "make"  pure }
  finally { node clean: sh { script = "make clean"  pure } }
}
""",
)
