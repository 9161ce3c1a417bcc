"""Literals of the error path: strings, references and numbers that the pattern does not know.

Each is reported once, and a token takes its place. Strings with more parts than the quick path's
pattern counts are read here too, without a report. The work is linear in the text.
"""

from __future__ import annotations

import re
from typing import Any

from rflow.dsl import ast
from rflow.dsl import slips_text as slips
from rflow.dsl.strings import REFERENCE
from rflow.dsl.tokens import ID, Report, Token

STRING, REF = ID["STRING"], ID["REF"]

_STRING_RUN = re.compile(r'[^"\\\n]*+')
_RAW = re.compile(r"'[^'\n]*+")
_REFERENCE = re.compile(
    r"""\$<(?>(?:[^"'<>\n]++|"(?>(?:[^"\\\n]++|\\[^\n]){0,500})"|'[^'\n]*+'){0,500})(>?)"""
)
_ESCAPED_REFERENCE = re.compile(r"\$<(?>[^<>\\\n]++|\\[\"']){1,500}>")
_GOOD_REFERENCE = re.compile(REFERENCE)
FOREIGN = re.compile(r"\$\{\{?([^{}\n]*+)\}\}?|\{\{([^{}\n]*+)\}\}|\$([A-Za-z_][A-Za-z0-9_.]*+)")
_NUMBER = re.compile(r"[0-9][0-9_]*(?:\.[0-9]+){0,50}[A-Za-z0-9_]*")
_PATH = re.compile(r"[a-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+){0,50}")
HEREDOC = re.compile(r"<<[-~]?\"?'?([A-Za-z_][A-Za-z0-9_]*)\"?'?[^\n]*\n")

LINES_MAX = 200
"""A string that was broken over more lines than these is taken for one without its end."""


class Literals:
    """The part of the lexer for literals. `swallowed`: a string took the rest of the file."""

    text: str
    report: Report
    at: int
    line_start: int
    swallowed: bool

    def _junk(self, span: ast.Span) -> None:
        raise NotImplementedError

    def _stand_in(self, token: Token, kind: int, end: int, value: Any) -> Token:
        token.kind, token.end, token.value = kind, end, value
        self.at = end
        line_break = self.text.rfind("\n", token.start, end)
        if line_break >= 0:
            self.line_start = line_break + 1
        return token

    def _string(self, token: Token) -> Token:
        text, start = self.text, token.start
        if text.startswith('"""', start):
            return self._block(token)
        end = self._string_end(start)
        if end - start > 1 and text[end - 1] == '"' and self._closed(start, end):
            bad = self._bad_references(start, end)
            return self._stand_in(token, STRING, end, plain("", start, end) if bad else None)
        end = start + len(text[start:end].rstrip())
        return self._unclosed(
            token, end, 'write `"` at its end; text of several lines stands in `"""`'
        )

    def _unclosed(self, token: Token, end: int, step: str) -> Token:
        """Report a string that does not end with its line, at `end`: it goes on further down, or
        its quote was left out."""
        text, start = self.text, token.start
        further = self._further_end(end, text[start])
        if further:
            step = 'text of several lines stands between `"""` and `"""`'
        said = "the string goes on over several lines" if further else "the string is not closed"
        self.report(slips.RF103, (start, end), said, help=step)
        end = further or end
        return self._stand_in(token, STRING, end, plain(text[start + 1 : end], start, end))

    def _further_end(self, at: int, quote: str) -> int:
        """Where a string that its line does not end was probably meant to: on the next line that
        has quotes, if one is left over there; else 0."""
        text = self.text
        found = text.find(quote, at)
        if found < 0 or text.count("\n", at, found) > LINES_MAX:
            return 0
        line_end = text.find("\n", found)
        line_end = line_end if line_end >= 0 else len(text)
        line_start = text.rfind("\n", at, found)
        if "#" in text[line_start:found] or text.count(quote, found, line_end) % 2 == 0:
            return 0
        return text.rfind(quote, found, line_end) + 1

    def _closed(self, start: int, end: int) -> bool:
        """Whether the quote before `end` is no escaped one."""
        slashes = end - 2
        while slashes > start and self.text[slashes] == "\\":
            slashes -= 1
        return (end - 2 - slashes) % 2 == 0

    def _string_end(self, start: int) -> int:
        """Where the string that begins at `start` ends: behind its quote, else with its line."""
        text, at = self.text, start + 1
        while True:
            at = _STRING_RUN.match(text, at).end()  # type: ignore[union-attr]
            if text[at : at + 1] == '"':
                return at + 1
            if text[at : at + 1] != "\\" or text[at + 1 : at + 2] in ("", "\n"):
                return at
            at += 2

    def _block(self, token: Token) -> Token:
        text, start = self.text, token.start
        close = text.find('"""', start + 3)
        while close > 0 and text[close - 1] == "\\":
            close = text.find('"""', close + 3)
        if close < 0:
            self.swallowed = True
            self.report(
                slips.RF103,
                (start, start + 3),
                "the block string is not closed",
                help='write `"""` at its end',
            )
            end = len(text)
        else:
            end = close + 3
            if not self._bad_references(start, end):
                return self._stand_in(token, STRING, end, None)
        return self._stand_in(token, STRING, end, plain("", start, end))

    def _bad_references(self, start: int, end: int) -> bool:
        """Report the references in a string that are none; whether there were any."""
        text, at, found = self.text, start, False
        while (at := text.find("$<", at, end)) >= 0:
            good = _GOOD_REFERENCE.match(text, at, end)
            if good is None and text[at - 1] != "\\":
                found = True
                if escaped := self._escaped_quotes(at, end):
                    at = escaped
                    continue
                m = _REFERENCE.match(text, at, end)
                assert m is not None
                self.bad_reference(at, m.end(), closed=bool(m[1]))
            at = good.end() if good else at + 2
        return found

    def _escaped_quotes(self, start: int, end: int) -> int:
        """Report a reference that would be one without the backslashes before its quotes, and
        give its end; else 0."""
        m = _ESCAPED_REFERENCE.match(self.text, start, end)
        right = m.group().replace("\\", "") if m else ""
        if m is None or _GOOD_REFERENCE.fullmatch(right) is None:
            return 0
        self.report(
            slips.RF104,
            m.span(),
            "quotes inside `$<…>` stand without a backslash",
            help=f"write `{right}`, in a string too",
        )
        return m.end()

    def bad_reference(self, start: int, end: int, *, closed: bool) -> None:
        """Report `$<` … that is no reference."""
        inside = self.text[start + 2 : end - 1 if closed else end]
        path = _PATH.match(inside.strip())
        if not closed:
            stop = start + 2 + (path.end() if path else 0)
            self.report(
                slips.RF104,
                (start, max(stop, start + 2)),
                "the reference is not closed" if path else "`$<` begins no reference",
                help=f"write `$<{path.group()}>`, or `\\$<` for the two characters"
                if path
                else "write `\\$<` for the two characters",
            )
            return
        shown = inside if len(inside) < 40 else inside[:39] + "…"
        self.report(
            slips.RF104,
            (start, end),
            f"`$<{shown}>` is not a reference",
            help="inside stand a path, literals and filters, and no operators: "
            '`$<refs.image.version | default("none")>`',
        )

    def _raw(self, token: Token) -> Token:
        m = _RAW.match(self.text, token.start)
        assert m is not None
        end = token.start + len(m.group().rstrip())
        return self._unclosed(token, end, "write `'` at its end")

    def _dollar(self, token: Token) -> Token | None:
        text, start = self.text, token.start
        if text.startswith("$<", start):
            m = _REFERENCE.match(text, start)
            assert m is not None
            closed = bool(m[1])
            end = m.end()
            if not closed:
                path = _PATH.match(text, start + 2)
                end = path.end() if path else start + 2
            self.bad_reference(start, m.end(), closed=closed)
            return self._stand_in(token, REF, end, _ref(text[start + 2 : end], start, end))
        if foreign := FOREIGN.match(text, start):
            return self._interpolation(token, foreign)
        self._junk((start, start + 1))
        return None

    def _interpolation(self, token: Token, m: re.Match[str]) -> Token:
        inside = next((g for g in m.groups() if g is not None), "").strip()
        path = _PATH.fullmatch(inside)
        self.report(
            slips.RF109,
            m.span(),
            f"`{m.group()}` is not a reference",
            help=f"write `$<{inside}>`" if path else "write `$<…>` with a path inside",
        )
        return self._stand_in(token, REF, m.end(), _ref(inside, *m.span()))

    def _heredoc(self, token: Token, m: re.Match[str]) -> Token:
        close = re.compile(rf"^[ \t]*{m[1]}[ \t]*$", re.M).search(self.text, m.end())
        end = close.end() if close else m.end() - 1
        self.report(
            slips.RF144,
            (token.start, m.end() - 1),
            f"`{m.group().strip()}` begins no here-document",
            help='put the text between `"""` and `"""`',
        )
        body = self.text[m.end() : close.start()] if close else ""
        return self._stand_in(token, STRING, end, plain(body, token.start, end))

    def _number(self, token: Token) -> Token:
        text, start = self.text, token.start
        m = _NUMBER.match(text, start)
        end = m.end() if m else start + 1
        word = text[start:end]
        digits = re.match("[0-9.]*", word)
        assert digits is not None
        unit = word[digits.end() :]
        foreign = word.startswith(("0x", "0X", "0b", "0o")) or re.fullmatch("[eE][0-9]*", unit)
        if unit[:1].isalpha() and not foreign:
            self._duration_slip((start, end), digits.group(), unit)
            value: Any = ast.Duration(1_000, word, span=(start, end))
            return self._stand_in(token, ID["DURATION"], end, value)
        step = "write the digits only" if "_" in word else "write a decimal number"
        if word.count(".") > 1:
            step = f'write "{word}": a version is text'
        elif not m:
            step = "write the digits 0 to 9"
        self.report(slips.RF127, (start, end), f"`{word}` is not a number", help=step)
        return self._stand_in(token, ID["INT"], end, ast.Int(0, span=(start, end)))

    def _duration_slip(self, span: ast.Span, digits: str, unit: str) -> None:
        word = digits + unit
        units = {"min": "m", "mins": "m", "sec": "s", "secs": "s", "hr": "h", "hrs": "h"}
        words = {"minute": "m", "second": "s", "hour": "h", "day": "d", "H": "h", "M": "m"}
        right = {**units, **words, "S": "s", "D": "d"}.get(unit) or words.get(unit.rstrip("s"))
        if unit == "w" and digits.isdigit() and len(digits) < 6:
            digits, right = str(int(digits) * 7), "d"
        step = "the units are `d h m s ms`: `1h30m`"
        if "." in digits:
            step = "write whole numbers: `1h30m`"
            right = None
        self.report(
            slips.RF128,
            span,
            f"`{word}` is not a duration",
            help=None if right else step,
            suggestion=f"{digits}{right}" if right else None,
        )


def plain(body: str, start: int, end: int) -> ast.Str:
    return ast.Str((body,) if body else (), offsets=(start + 1,) if body else (), span=(start, end))


def _ref(inside: str, start: int, end: int) -> ast.Ref:
    path = _PATH.match(inside)
    parts = tuple(path.group().split(".")) if path else ("args",)
    return ast.Ref(ast.Path(parts, span=(start, end)), (), span=(start, end))
