"""How diagnostics are shown."""

from __future__ import annotations

import json
import re

import pytest
from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source
from rflow.dsl.render import render_github, render_json, render_sarif, render_text

CODE = Code("RF199", "A title", "Why it is so.")


def at(text: str, word: str, said: str = "", name: str = "release.rflow") -> Label:
    source = Source(name, text)
    start = text.index(word)
    return Label(source, (start, start + len(word)), said)


def lines(diagnostic: Diagnostic, width: int = 80) -> list[str]:
    return render_text([diagnostic], color=False, width=width).split("\n")


def test_the_whole() -> None:
    text = "rflow 1\n\nflow a {\n  let b = c\n}\n"
    shown = render_text(
        [
            CODE.at(
                at(text, "c", "this one"),
                "`c` is wrong",
                labels=(at(text, "flow a", "in this flow"),),
                help="write another",
                suggestion="d",
            )
        ],
        color=False,
        width=80,
    )
    assert shown == (
        "error[RF199]: `c` is wrong\n"
        " --> release.rflow:4:11\n"
        "  |\n"
        "3 | flow a {\n"
        "  | ------ in this flow\n"
        "4 |   let b = c\n"
        "  |           ^ this one\n"
        "  |\n"
        "  = help: write another\n"
        "  = help: did you mean `d`?\n"
        "\n"
    )


def test_nothing_is_nothing() -> None:
    assert render_text([], color=True, width=80) == ""


def test_tabs_and_wide_characters_align() -> None:
    shown = lines(CODE.at(at('\tx = "日本" here', "here"), "m"))
    code, marks = shown[3], shown[4]
    assert code == '1 |     x = "日本" here'
    columns = sum(2 if c in "日本" else 1 for c in code[: code.index("here")])
    assert marks.index("^") == columns


def test_combining_and_invisible_characters_take_no_room() -> None:
    shown = lines(CODE.at(at("e\u0301 here", "here"), "m"))
    assert shown[4].index("^") == len("1 | e here") - len("here")


@pytest.mark.parametrize("char", ["\x1b", "\x07", "\x00", "\x7f", "\u202e", "\u2028"])
def test_nothing_raw_reaches_the_terminal(char: str) -> None:
    diagnostic = CODE.at(at(f"a {char}[2J here", "here", char), f"m {char}", help=char)
    assert char not in render_text([diagnostic], color=False, width=80)


@pytest.mark.parametrize("width", [40, 60, 100])
def test_lines_are_cut_and_wrapped(width: int) -> None:
    text = f"{'a ' * 150}here{' b' * 150}"
    said = "a label that is long enough to be wrapped at any of these widths, twice"
    for label in (at(text, "here", said), at(f"here{' b' * 150}", "here", said)):
        shown = lines(CODE.at(label, "a message " * 20, help="a next step " * 20), width)
        assert all(len(line) <= width for line in shown), shown
        marked = next(line for line in shown if "^" in line)
        code = shown[shown.index(marked) - 1]
        assert code[marked.index("^") :].startswith("here")


def test_several_files_and_gaps() -> None:
    text = "one\ntwo\nthree\nfour\nfive\n"
    other = at("other\n", "other", "there", "b.rflow")
    first = CODE.at(at(text, "one", "A"), "m", labels=(at(text, "three"), at(text, "five"), other))
    shown = lines(first)
    assert [line.split(" ")[0] for line in shown[3:12]] == [
        *("1", "", "2", "3", "", "4", "5", "", "")
    ]
    assert " ::: b.rflow:1:1" in shown
    far = CODE.at(at(text, "one"), "m", labels=(at(text, "five"),))
    assert "..." in lines(far)


def test_spans_over_lines_and_at_the_end() -> None:
    text = "ab\ncd"
    source = Source("a", text)
    assert "^^ up to line 2" in lines(CODE.at(Label(source, (0, 5)), "m"))[4]
    assert lines(CODE.at(Label(source, (5, 5)), "m"))[4] == "  |   ^"
    assert "  | ^" not in lines(CODE.at(Label(Source("a", ""), (0, 0)), "m"))


def test_colours_only_where_wanted() -> None:
    diagnostic = CODE.at(at("here", "here", "x"), "m", help="h")
    plain = render_text([diagnostic], color=False, width=80)
    coloured = render_text([diagnostic], color=True, width=80)
    assert "\x1b[1;31merror[RF199]" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain


def test_json() -> None:
    text = "a\nhere\n"
    data = json.loads(render_json([CODE.at(at(text, "here", "x"), "m", suggestion="s")]))
    assert data == {
        "version": 1,
        "diagnostics": [
            {
                "code": "RF199",
                "severity": "error",
                "title": "A title",
                "message": "m",
                "file": "release.rflow",
                "start": {"line": 2, "column": 1, "offset": 2},
                "end": {"line": 2, "column": 5, "offset": 6},
                "label": "x",
                "labels": [],
                "help": None,
                "suggestion": "s",
            }
        ],
    }


def test_sarif() -> None:
    label = at("a\nhere\n", "here", name="a b.rflow")
    other = Code("RF198", "Other", "Why.", severity="warning")
    log = json.loads(
        render_sarif([CODE.at(label, "m", labels=(label,), help="h"), other.at(label, "n")])
    )
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["RF198", "RF199"]
    first, second = run["results"]
    assert rules[first["ruleIndex"]]["id"] == first["ruleId"] == "RF199"
    assert (first["level"], second["level"]) == ("error", "warning")
    assert first["message"]["text"] == "m\nh"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.rflow"
    assert place["region"] == {"startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 5}
    assert len(first["relatedLocations"]) == 1


def test_github() -> None:
    label = at("a\nhere\n", "here", name="a,b.rflow")
    shown = render_github([CODE.at(label, "50% done\nmore")])
    assert shown == (
        "::error file=a%2Cb.rflow,line=2,endLine=2,col=1,endColumn=5,title=RF199 A title"
        "::50%25 done%0Amore\n"
    )
