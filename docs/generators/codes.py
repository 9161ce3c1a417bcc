"""The pages on the codes of diagnostics, one for each family."""

from __future__ import annotations

import re

from rflow.cli.codes import all_codes
from rflow.compiler.program import LoadError, check
from rflow.dsl.diagnostics import Code, Diagnostic, Source
from rflow.dsl.render import render_text
from rflow.plugins.discovery import installed
from rflow.plugins.host import Host

from generators.markdown import fence, paragraphs, table

FAMILIES = {
    "RF1": ("Syntax", "what cannot be read as a flow"),
    "RF2": ("Names", "what is not there, or is there twice"),
    "RF3": ("Types and values", "what does not fit"),
    "RF4": ("Graph", "what cannot be put in an order"),
    "RF5": ("Safety", "gates, rollback, secrets and text from outside"),
    "RF6": ("Plugins", "what is wrong with a plugin"),
    "RF9": ("Running", "what is refused, or goes wrong, when runs are made and looked at"),
}
OF_STATE = "These concern the state folder or a run, not a file, so they have no example."
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def pages() -> dict[str, str]:
    """The text of each family's page, and of the page that lists all codes (`""`)."""
    codes = sorted(all_codes().values(), key=lambda code: code.id)
    specs = Host([one for one in installed() if one.distribution == "rflow"]).specs()

    def found_in(code: Code) -> list[Diagnostic]:
        def load(_: Source, path: str) -> Source:
            raise LoadError(f"there is no file `{path}`")

        return check(Source("release.rflow", code.bad), specs, load).diagnostics

    made = {}
    for family, (title, about) in FAMILIES.items():
        own = [code for code in codes if code.id.startswith(family)]
        text = f"# {family}xx: {title.lower()}\n\nCodes of {about}. `rflow explain {own[0].id}` "
        text += "prints what stands here of one. [All codes](codes.md).\n\n"
        if not any(code.bad for code in own):
            text += OF_STATE + "\n\n"
        rows = [(f"[{code.id}](#{code.id.lower()})", code.title) for code in own]
        text += table(("code", "title"), rows)
        made[family] = (
            text + "".join(_section(code, found_in(code)) for code in own).rstrip() + "\n"
        )
    made[""] = _index(codes)
    return made


def _index(codes: list[Code]) -> str:
    text = (
        "# Codes\n\nEvery message about a mistake has a code, and a number is never used for "
        "another one. `rflow explain CODE` prints why, a wrong and a right example.\n\n"
    )
    for family, (title, about) in FAMILIES.items():
        page = f"codes-{family.lower()}.md"
        rows = [
            (f"[{code.id}]({page}#{code.id.lower()})", code.title)
            for code in codes
            if code.id.startswith(family)
        ]
        text += f"## [{family}xx]({page}): {title.lower()}\n\n{about.capitalize()}.\n\n"
        text += table(("code", "title"), rows)
    return text.rstrip() + "\n"


def _section(code: Code, found: list[Diagnostic]) -> str:
    mark = "" if code.severity == "error" else f" ({code.severity})"
    text = f"## {code.id}\n\n**{code.title[:1].upper()}{code.title[1:]}**{mark}. "
    text += paragraphs(code.why)
    if not code.bad:
        return text
    seen = _UNSEEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", code.bad)
    blank = any(line != line.rstrip() for line in seen.split("\n"))
    fails = ",".join(sorted({one.code.id for one in found}))
    text += fence(seen, f"rflow fails={fails}" if seen == code.bad and not blank else "text")
    text += fence(render_text(found, color=False, width=80))
    return text + "Right:\n\n" + fence(code.good, "rflow")
