"""The codes of `clauses`."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

UNKNOWN_POLICY = Code(
    "RF208",
    "there is no such retry policy",
    "`retry N using POLICY` takes a policy that rflow or a plugin supplies.",
    bad="""rflow 1

flow release {
  node check: http.check {
    url = "https://shop.example.com/health"
    retry 5 using exponentail { min = 1s }
  }
}
""",
    good="""rflow 1

flow release {
  node check: http.check {
    url = "https://shop.example.com/health"
    retry 5 using exponential { min = 1s }
  }
}
""",
)

LOOP_TWICE = Code(
    "RF224",
    "a loop within a loop with the same variable",
    "`$<each.NAME>` would be one of the two, and which is easily mistaken.",
    bad="""rflow 1

flow release {
  parallel regions {
    each site in ["eu", "us"]
    node deploy: sh {
      each site in ["a", "b"]
      script = "make deploy-$<each.site>"
      pure
    }
  }
}
""",
    good="""rflow 1

flow release {
  parallel regions {
    each region in ["eu", "us"]
    node deploy: sh {
      each site in ["a", "b"]
      script = "make deploy-$<each.region>-$<each.site>"
      pure
    }
  }
}
""",
)

NOT_POSITIVE = Code(
    "RF313",
    "a duration that is none",
    "A timeout, a delay or a deadline takes some time; delays grow from the shorter to the longer.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make"  timeout 0s  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  timeout 10m  pure }
}
""",
)

ATTEMPTS = Code(
    "RF314",
    "a number of attempts out of range",
    "`retry 3` means three attempts in all, the first included; 1 to 100 are possible.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make"  retry 0  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  retry none  pure }
}
""",
)

TOO_LATE = Code(
    "RF315",
    "a loop over something that is not known at the start",
    "What will run can be read before it runs: a loop ranges over a list that is known when the "
    "run starts, never over what a node puts out.",
    bad="""rflow 1

flow release {
  node list: sh { script = "make list"  output sites: list(string)  pure }
  node deploy: sh {
    each site in $<refs.list.sites>
    script = "make deploy-$<each.site>"
    pure
  }
}
""",
    good="""rflow 1

flow release {
  arg sites: list(string) = ["eu", "us"]
  node deploy: sh {
    each site in $<args.sites>
    script = "make deploy-$<each.site>"
    pure
  }
}
""",
)

NOT_A_LIST = Code(
    "RF316",
    "a loop over what is no list of scalars",
    "`each` ranges over a list of strings, numbers or bools, since the instances are called by "
    "the elements: `web[eu]`.",
    bad="""rflow 1

flow release {
  node deploy: sh {
    each site in "eu,us"
    script = "make deploy-$<each.site>"
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

SAME_ELEMENT = Code(
    "RF317",
    "a loop over the same element twice",
    "The instances are called by the elements of the list, so these must differ.",
    bad="""rflow 1

flow release {
  node deploy: sh {
    each site in ["eu", "us", "eu"]
    script = "make deploy-$<each.site>"
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

AT_MOST = Code(
    "RF318",
    "a loop that lets nothing run",
    "`at most N` says how many turns may run at once; it is at least 1.",
    bad="""rflow 1

flow release {
  node deploy: sh {
    each site in ["eu", "us"] at most 0
    script = "make deploy-$<each.site>"
    pure
  }
}
""",
    good="""rflow 1

flow release {
  node deploy: sh {
    each site in ["eu", "us"] at most 1
    script = "make deploy-$<each.site>"
    pure
  }
}
""",
)

TWICE = Code(
    "RF320",
    "a clause that stands twice",
    "Of two such lines only one could hold.",
    bad="""rflow 1

flow release {
  node build: sh { script = "make"  timeout 1m  timeout 2m  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  timeout 2m  pure }
}
""",
)

CONSTANT = Code(
    "RF323",
    "a text or value that must be fixed",
    "The reasons of a contract, the names of secrets, windows and imports, and the delays of a "
    "retry are part of the plan: they are written as they are, and not empty.",
    bad="""rflow 1

flow release {
  arg why: string = "harmless"
  node build: sh { script = "make install"  keep "$<args.why>" }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make install"  keep "harmless" }
}
""",
)

TRIGGER_REFUSED = Code(
    "RF330",
    "a trigger that does not take its inputs",
    "The inputs of a trigger are of the right types, but its kind cannot work with them: a time "
    "zone that does not exist, a pattern that nothing matches, a rule for pull requests where none "
    "are listened to. It is the plugin's code that says so.",
)

POLICY_REFUSED = Code(
    "RF327",
    "a retry policy that does not take its inputs",
    "The inputs of a policy are of the right types, but the policy itself cannot work with them: "
    "a range that is none, a part above 1. It is the plugin's code that says so, when the plan is "
    "made, so checking alone does not find it.",
)
