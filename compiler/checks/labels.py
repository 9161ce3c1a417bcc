"""Where secrets and text from outside may go.

This module owns what a label forbids; how labels travel is `lower`. What a flow does with an
argument whose label only its user knows becomes a demand, asked again of every `use`.
"""

from __future__ import annotations

from rflow.compiler.scope import (
    SECRET,
    UNTRUSTED,
    Demand,
    Flow,
    late_arg,
    untrusted_args,
)
from rflow.compiler.types import ANY, STRING, List, Map, Optional, Record, Type, Union
from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import Code

SECRET_HERE = Code(
    "RF507",
    "a secret where none may be",
    "A secret must not reach a log, a name, a message or a plan. It can be given only to an input "
    "that takes secrets (`rflow plugins show KIND` says which), to the environment of an `sh` "
    "node, and to an argument of type `secret` of a flow that is used.",
    bad="""rflow 1

flow release {
  secret token from env "TOKEN"
  node tell: message.webhook {
    url = "https://chat.example.com/hook"
    text = "the token is $<secrets.token>"
  }
}
""",
    good="""rflow 1

flow release {
  secret hook from env "HOOK"
  node tell: message.webhook {
    url = $<secrets.hook>
    text = "released"
  }
}
""",
)

SECRET_OUTPUT = Code(
    "RF508",
    "an output of a flow that is secret",
    "The outputs of a flow are shown, stored with the run and handed to whoever started it.",
    bad="""rflow 1

flow release {
  secret token from env "TOKEN"
  node build: sh { script = "make"  pure }
  output token = $<secrets.token>
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  output version: string  pure }
  output version = $<refs.build.version>
}
""",
)

UNTRUSTED_HERE = Code(
    "RF509",
    "text from outside where it could do harm",
    "Branch names, commit messages and the arguments of a webhook are written by others. An input "
    "that acts on its text (a program's name, a path, an address) refuses them; a filter such as "
    "`slug`, or a comparison, makes something harmless of them.",
    bad="""rflow 1

flow release {
  trigger main: git { repo = "shop.git"  branches = ["*"] }
  node note: file.write {
    path = "notes/$<refs.main.branch>"
    content = "released"
    keep "a note harms nobody"
  }
}
""",
    good="""rflow 1

flow release {
  trigger main: git { repo = "shop.git"  branches = ["*"] }
  node note: file.write {
    path = "notes/$<refs.main.branch | slug>"
    content = "released"
    keep "a note harms nobody"
  }
}
""",
)

SECRET_DEFAULT = Code(
    "RF514",
    "a secret that is written in the flow",
    "What stands in a flow is in the repository, in every plan and in every run's record. A "
    'secret is fetched: `secret token from env "TOKEN"`.',
    bad="""rflow 1

flow release {
  arg token: secret = "hunter2"
  node build: sh { script = "make"  env = { TOKEN = $<args.token> }  pure }
}
""",
    good="""rflow 1

flow release {
  arg token: secret
  node build: sh { script = "make"  env = { TOKEN = $<args.token> }  pure }
}
""",
)


def textual(type_: Type) -> bool:
    """Whether a value of the type can hold text that others wrote."""
    match type_:
        case Optional(item) | List(item):
            return textual(item)
        case Map():
            return True
        case Union(members):
            return any(textual(member) for member in members)
        case Record(fields):
            return any(textual(field) for _, field in fields)
        case _:
            return type_ in (STRING, ANY)


def no_secret(flow: Flow, labels: int, span: Span, place: str, help: str | None = None) -> bool:
    """Whether the value may stand at a place that shows it; reports it if not."""
    if not labels & SECRET:
        return True
    flow.file.report.error(
        SECRET_HERE, span, f"{place} would show a secret", text="this is secret", help=help
    )
    return False


def trusted(flow: Flow, labels: int, span: Span, place: str, filters: str = "`slug`") -> None:
    """Report text from outside at a place that refuses it; demand it of the flow's users."""
    args = labels & untrusted_args(len(flow.args))
    if labels & UNTRUSTED or (args and flow.webhook is not None):
        flow.file.report.error(
            UNTRUSTED_HERE,
            span,
            f"{place} refuses text that comes from outside",
            text="this may hold such text",
            help=f"make it harmless, as the filter {filters} does, or choose among values of "
            "your own",
        )
    elif args:
        text = f"{place} refuses text that comes from outside"
        flow.demands.append(Demand(args, "trusted", flow.file, span, text))


def late_args(labels: int, count: int) -> int:
    """The bits of a value that say: late if that argument is."""
    return labels & sum(late_arg(index) for index in range(count))
