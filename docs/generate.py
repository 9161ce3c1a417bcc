"""Makes the pages of the reference that say what the code says: `python docs/generate.py`.

With `--check` nothing is written; it ends with 1 if a page is out of date, and names it. The pages
are committed, so that they can be read without rflow. What they say comes from the values that
rflow itself uses; this folder owns only how it is laid out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from generators import api, cli, codes, events, hooks, plan, plugins, safety

REFERENCE = Path(__file__).parent / "reference"

NOTE = "<!-- Made by `python docs/generate.py`. What is to change stands in {}. -->\n\n"


def pages() -> dict[str, str]:
    """The text of each page, by its name in `reference/`."""
    made = {
        "kinds.md": ("plugins/kinds/", plugins.kinds()),
        "filters.md": ("plugins/kinds/filters_*.py", plugins.filters()),
        "cli.md": ("cli/", cli.page()),
        "events.md": ("runner/events.py, runner/node_state.py and runner/why.py", events.page()),
        "api.md": ("server/", api.page()),
        "plan.md": ("compiler/schema.py", plan.page()),
        "hooks.md": ("plugins/", hooks.page()),
        "changes.md": ("compiler/safety_codes.py", safety.page()),
    }
    for family, text in codes.pages().items():
        made[f"codes-{family.lower()}.md" if family else "codes.md"] = (
            "the modules that raise them",
            text,
        )
    return {name: NOTE.format(place) + text for name, (place, text) in made.items()}


def main(argv: list[str]) -> int:
    """Write the pages that are out of date, or only name them."""
    check = argv == ["--check"]
    if argv and not check:
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    old = []
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text("utf-8") != text:
            old.append(name)
            if not check:
                path.write_text(text, "utf-8")
    for name in old:
        print(f"docs/reference/{name} {'is out of date' if check else 'written'}")
    if check and old:
        print("run `python docs/generate.py`")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
