"""Canaries: no value comes through, in any form, however it is cut; nothing else is changed."""

from __future__ import annotations

import base64
import html
import json
import shlex
import subprocess
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rflow.runner.scrub import MASK, Scrubber

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=4, max_size=40)
CANARY = "kA7/+p?%ü'\"\\$ x&<é\n-----second line-----\tq=1"
PLAIN = "correct horse battery staple"

FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda value: value,
    "json": json.dumps,
    "json, not only ascii": lambda value: json.dumps(value, ensure_ascii=False),
    "json in json": lambda value: json.dumps(json.dumps(value)),
    "url": quote,
    "url, whole": lambda value: quote(value, safe=""),
    "url, form": quote_plus,
    "url, small": lambda value: quote(value, safe="").lower() if value.islower() else quote(value),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "shell": shlex.quote,
    "shell, backslash": lambda value: "'" + value.replace("'", "'\\''") + "'",
    "python": repr,
    "python bytes": lambda value: repr(value.encode()),
    "html": html.escape,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 url": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "basic auth": lambda value: base64.b64encode(b"user:" + value.encode()).decode(),
    "basic auth, 1": lambda value: base64.b64encode(b"me:" + value.encode() + b":x").decode(),
    "basic auth, 2": lambda value: base64.b64encode(b"i:" + value.encode() + b"\n").decode(),
    "base64, wrapped": lambda value: base64.encodebytes(value.encode()).decode(),
}


def leaks(value: str, masked: str) -> bool:
    """Whether a part of the value's own letters that tells something came through."""
    return value in masked or any(len(p) > 7 and p in masked for p in value.split())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [CANARY, PLAIN, "hunter22", "пароль-секрет", "a" * 200 + "b"])
def test_no_form_comes_through(form: str, value: str) -> None:
    written = FORMS[form](value)
    masked = Scrubber([value]).mask(f"before {written} behind".encode()).decode()
    assert masked.startswith("before ")
    assert masked.endswith(" behind")
    assert MASK in masked
    left = masked.removeprefix("before ").removesuffix(" behind").replace(MASK, "")
    # What may be left of base64 are the digits that other bytes are part of.
    assert len(left) <= 14, left


@pytest.mark.parametrize("form", FORMS)
@given(value=VALUES)
@example(value="0000")
@example(value="''''")
@example(value="a\nb\nc")
def test_no_form_of_any_value_comes_through(form: str, value: str) -> None:
    if len(value.strip()) < 4:
        return
    written = FORMS[form](value)
    masked = Scrubber([value]).mask(f"\x01{written}\x01".encode()).decode()
    assert MASK in masked
    assert written not in masked


@given(
    values=st.lists(VALUES, min_size=1, max_size=3),
    parts=st.lists(st.text(max_size=20) | st.sampled_from(sorted(FORMS)), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_cut_anywhere_a_stream_gives_what_the_whole_gives(
    values: list[str], parts: list[str], cuts: list[int]
) -> None:
    scrubber = Scrubber(values)
    data = "".join(
        FORMS[part](values[n % len(values)]) if part in FORMS else part
        for n, part in enumerate(parts)
    ).encode("utf-8", "surrogatepass")
    stream, given_out, at = scrubber.stream(), b"", 0
    for cut in [*sorted(cuts), len(data)]:
        given_out += stream.feed(data[at:cut])
        at = max(at, cut)
    assert given_out + stream.end() == scrubber.mask(data)


@given(st.lists(st.sampled_from(["aaaa", "aaab", "aab", "baaa", "abab"]), max_size=9), st.data())
def test_values_that_overlap_are_covered_whole(parts: list[str], choice: st.DataObject) -> None:
    values = ["aaaa", "abab", "aabaab"]
    text = "".join(parts)
    covered = {
        at + n
        for value in values
        for at in range(len(text))
        if text.startswith(value, at)
        for n in range(len(value))
    }
    expected = "".join(
        ("" if at - 1 in covered and joined(values, text, at) else MASK) if at in covered else c
        for at, c in enumerate(text)
        if at not in covered or at - 1 not in covered or not joined(values, text, at)
    )
    scrubber = Scrubber(values)
    assert scrubber.mask_text(text) == expected
    stream, out, at = scrubber.stream(), b"", 0
    while at < len(text):
        step = choice.draw(st.integers(1, 5))
        out += stream.feed(text[at : at + step].encode())
        at += step
    assert (out + stream.end()).decode() == expected


def joined(values: list[str], text: str, at: int) -> bool:
    """Whether one value covers both the letter before `at` and the one at it."""
    return any(
        text.startswith(value, start)
        for value in values
        for start in range(max(0, at - len(value) + 1), at)
    )


@given(st.binary(max_size=300))
def test_what_holds_no_secret_is_not_changed(data: bytes) -> None:
    scrubber = Scrubber(["correct horse battery staple", "hunter22"])
    assert scrubber.mask(data) == data
    stream = scrubber.stream()
    assert stream.feed(data) + stream.end() == data


def test_without_secrets_bytes_pass() -> None:
    scrubber = Scrubber()
    assert scrubber.empty
    assert scrubber.stream().feed(b"\xff\x00") == b"\xff\x00"
    assert not scrubber.holds("anything")


def test_short_values_are_told_and_not_masked() -> None:
    scrubber = Scrubber()
    assert not scrubber.add("on")
    assert scrubber.add("four")
    assert scrubber.mask_text("on four") == "on ***"
    assert not scrubber.add("   a\n")


def test_a_value_can_come_while_a_stream_goes_on() -> None:
    scrubber = Scrubber()
    stream = scrubber.stream()
    assert stream.feed(b"hunter22 ") == b"hunter22 "
    scrubber.add("hunter22")
    assert stream.feed(b"hunter") == b""
    assert stream.feed(b"22\n") == b"***\n"


def test_most_lines_are_given_out_at_once() -> None:
    stream = Scrubber([CANARY.split("\n")[0], "hunter22"]).stream()
    assert stream.feed(b"building\n") == b"building\n"
    assert stream.feed(b"hunt") == b""
    assert stream.feed(b"ing\n") == b"hunting\n"


def test_each_line_of_a_value_of_several() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n  AoIBAQC7VJTUt9Us\nab\n-----END KEY-----\n"
    scrubber = Scrubber([key])
    assert scrubber.mask_text("x MIIEvQIBADANBgkq y") == "x *** y"
    assert scrubber.mask_text("[AoIBAQC7VJTUt9Us]") == "[***]"
    assert scrubber.mask_text(key.strip()) == MASK


@pytest.mark.parametrize("value", [CANARY, 'it\'s $HOME `x` "q" \\ end'])
def test_what_a_real_shell_says(value: str) -> None:
    script = 'set -x; : "$V"; printf "%s\\n" "$V"; printf "%s" "$V" | base64'
    done = subprocess.run(["sh", "-c", script], env={"V": value}, capture_output=True, check=True)
    said = Scrubber([value]).mask(done.stdout + done.stderr).decode()
    assert not leaks(value, said), said


def test_holds() -> None:
    scrubber = Scrubber(["hunter22"])
    assert scrubber.holds("url?token=hunter22")
    assert scrubber.holds("aHVudGVyMjI=")
    assert not scrubber.holds("hunter2")


def test_the_work_grows_with_the_text_alone() -> None:
    """Ten times the text may take ten times as long, with room for a busy machine; were the work
    quadratic it would take a hundred times."""
    scrubber = Scrubber(["a" * 300 + "b", "password", "x" * 40])

    def work(n: int) -> float:
        stream, data = scrubber.stream(), (b"a" * 997 + b"\n") * n
        start = time.process_time()
        for at in range(0, len(data), 4096):
            stream.feed(data[at : at + 4096])
        stream.end()
        return time.process_time() - start

    small = min(work(20) for _ in range(3))
    assert min(work(200) for _ in range(2)) < 40 * small
