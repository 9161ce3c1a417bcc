"""The codes of `flows`."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code

UNKNOWN_SOURCE = Code(
    "RF209",
    "there is no such source of secrets",
    '`secret NAME from SOURCE "key"` takes a source that rflow or a plugin supplies: `env`, '
    "`file` and `command` are always there.",
    bad="""rflow 1

flow release {
  secret token from environment "TOKEN"
  node build: sh { script = "make"  env = { TOKEN = $<secrets.token> }  pure }
}
""",
    good="""rflow 1

flow release {
  secret token from env "TOKEN"
  node build: sh { script = "make"  env = { TOKEN = $<secrets.token> }  pure }
}
""",
)

CRON = Code(
    "RF310",
    "a cron line that cannot be read",
    "Five fields: minute, hour, day of the month, month, day of the week; each `*`, numbers, "
    "ranges (`1-5`), lists (`1,3`) and steps (`*/15`).",
    bad="""rflow 1

flow release {
  trigger nightly: cron { schedule = "0 25 * * *" }
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

ZONE = Code(
    "RF311",
    "there is no such time zone",
    "Time zones are called by their names in the IANA database: an area and a city, or `UTC`. "
    "Abbreviations such as `CET` do not say when the clocks change.",
    bad="""rflow 1

flow release {
  trigger nightly: cron { schedule = "0 2 * * *"  timezone = "Berlin" }
  node build: sh { script = "make"  pure }
}
""",
    good="""rflow 1

flow release {
  trigger nightly: cron { schedule = "0 2 * * *"  timezone = "Europe/Berlin" }
  node build: sh { script = "make"  pure }
}
""",
)

CONCURRENCY = Code(
    "RF319",
    "there is no such concurrency",
    "`allow` lets runs go side by side, `queue` lets them wait in order, `forbid` refuses a second "
    "one, `latest` keeps only the newest of those that wait, `replace` cancels the one that runs.",
    bad="""rflow 1

flow release {
  concurrency single
  node build: sh { script = "make"  pure }
}
""",
    good="""rflow 1

flow release {
  concurrency forbid
  node build: sh { script = "make"  pure }
}
""",
)

LET_CIRCLE = Code(
    "RF411",
    "lets in a circle",
    "A `let` is a name for an expression; if that reads the let itself, be it through others, "
    "there is no value.",
    bad="""rflow 1

flow release {
  let tag = "shop-$<let.version>"
  let version = "$<let.tag>-1"
  node build: sh { script = "make $<let.tag>"  pure }
}
""",
    good="""rflow 1

flow release {
  let tag = "shop-$<let.version>"
  let version = "1"
  node build: sh { script = "make $<let.tag>"  pure }
}
""",
)

LET_GROWS = Code(
    "RF413",
    "a let that grows beyond measure",
    "A `let` that reads another one several times, which reads a third one several times, soon "
    "stands for more than any machine can hold. What lets stand for, all that they read written "
    "out, may be 100,000 characters long, beside ten times their own text.",
    bad="""rflow 1

flow release {
  let a = "0123456789"
  let b = "$<let.a>$<let.a>$<let.a>$<let.a>$<let.a>$<let.a>$<let.a>$<let.a>"
  let c = "$<let.b>$<let.b>$<let.b>$<let.b>$<let.b>$<let.b>$<let.b>$<let.b>"
  let d = "$<let.c>$<let.c>$<let.c>$<let.c>$<let.c>$<let.c>$<let.c>$<let.c>"
  let e = "$<let.d>$<let.d>$<let.d>$<let.d>$<let.d>$<let.d>$<let.d>$<let.d>"
  let f = "$<let.e>$<let.e>$<let.e>$<let.e>$<let.e>$<let.e>$<let.e>$<let.e>"
  node build: sh { script = "make $<let.f>"  pure }
}
""",
    good="""rflow 1

flow release {
  let a = "0123456789"
  let b = "$<let.a>-$<let.a>"
  node build: sh { script = "make $<let.b>"  pure }
}
""",
)
