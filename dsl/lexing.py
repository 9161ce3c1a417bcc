"""The tolerant lexer of the error path: tokens for any text, with its slips reported.

It reads with the same pattern as the quick path. Where that finds no token, a slip is reported
once and a token that was probably meant takes its place, so that one slip does not lead to more.
Each character is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from rflow.dsl import ast
from rflow.dsl import slips_text as slips
from rflow.dsl.build import Builder, comment
from rflow.dsl.diagnostics import Code
from rflow.dsl.parse import TOKENS, is_doc
from rflow.grammar.tables import COMMENT, END, KEYWORDS, SYMBOLS, UNKNOWN

ID = {name: number for number, name in enumerate(SYMBOLS)}
NAME, KEY, STRING, REF, DOTTED = ID["NAME"], ID["KEY"], ID["STRING"], ID["REF"], ID["DOTTED"]

Report = Callable[..., None]
"""`report(code, span, message, label="", help=None, suggestion=None)`."""


class Token:
    """A token; `first` on its line, which is indented by `indent`.

    `value` is the node it gives and `word` the word it is, where its text would give another.
    `odd` says why it is no ordinary name: it has a `hyphen`, `letters` of another script, or is
    `bare` text such as a URL.
    """

    __slots__ = ("end", "first", "indent", "kind", "odd", "start", "value", "word")

    def __init__(self, kind: int, start: int, end: int, first: bool, indent: int) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.first = first
        self.indent = indent
        self.value: ast.Str | ast.Ref | ast.Int | ast.Duration | None = None
        self.word = ""
        self.odd = ""

    @property
    def span(self) -> ast.Span:
        return self.start, self.end


_WORD = re.compile(r"[^\W\d]\w*(?:-\w+)*")
_HYPHENED = re.compile(r"(?:-[A-Za-z0-9_.]+)+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+]*://[^\s\"'{}\[\],]*")
_STRING = re.compile(r'"(?>(?:[^"\\\n]++|\\[^\n])*)("?)')
_RAW = re.compile(r"'[^'\n]*+")
_CURLY = re.compile("[“„«‟]([^”“»\n]*+)[”“»]|[‘‚]([^’\n]*+)’")
_REFERENCE = re.compile(r"""\$<(?>(?:[^"'<>\n]++|"(?>(?:[^"\\\n]++|\\[^\n])*)"|'[^'\n]*+')*)(>?)""")
_GOOD_REFERENCE = re.compile(
    r"""\$<(?>(?:[A-Za-z0-9_.|(), \t-]++|"(?>(?:[^"\\\n]++|\\[^\n])*)"|'[^'\n]*+')*)>"""
)
_FOREIGN = re.compile(r"\$\{\{?([^{}\n]*+)\}\}?|\{\{([^{}\n]*+)\}\}|\$([A-Za-z_][A-Za-z0-9_.]*+)")
_NUMBER = re.compile(r"[0-9][0-9_]*(?:\.[0-9]+)*[A-Za-z0-9_]*")
_PATH = re.compile(r"[a-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_HEREDOC = re.compile(r"<<[-~]?\"?'?([A-Za-z_][A-Za-z0-9_]*)\"?'?[^\n]*\n")
_JUNK = re.compile(r"[^\sA-Za-z0-9_{}\[\]()\"'=:,#.]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_OPERATORS = {"&&": "AND", "||": "OR", "&": "AND", "!": "NOT"}


class Lexer:
    """An iterator over the tokens of a text, the last of which is END, again and again."""

    def __init__(self, builder: Builder, report: Report) -> None:
        self.text = builder.text
        self.builder = builder
        self.report = report
        self.at = 1 if self.text.startswith("\ufeff") else 0
        self.line_start = 0
        self.indent = 0
        self.swallowed = False
        self._last = -1
        self._docs: list[ast.Span] = []

    def __iter__(self) -> Iterator[Token]:
        while True:
            yield self.next()

    def next(self) -> Token:
        """The next token, with what stands before it read."""
        while True:
            m = TOKENS.match(self.text, self.at)
            assert m is not None
            kind = m.lastindex
            assert kind is not None
            start, end = m.span(kind)
            self.at = end
            if kind == COMMENT:
                if is_doc(self.text, start, end):
                    self._docs.append((start, end))
                else:
                    self.builder.comments.append(comment(self.text, start, end))
                continue
            token = self._token(kind, start, end)
            found = self._examined(token)
            if found is not None:
                if self._docs:
                    self.builder.docs[found.start] = self._docs
                    self._docs = []
                return found

    def _token(self, kind: int, start: int, end: int) -> Token:
        line_break = self.text.rfind("\n", max(self._last, 0), start)
        first = line_break >= 0 or self._last < 0
        if line_break >= 0:
            self.line_start = line_break + 1
        if first:
            self.indent = start - self.line_start
        self._last = start
        return Token(kind, start, end, first, self.indent)

    def _examined(self, token: Token) -> Token | None:
        """The token, or what stands for it where it holds a slip; None to skip it."""
        kind, text, start = token.kind, self.text, token.start
        if kind in (NAME, DOTTED):
            token = self._word(token)
        elif kind == ID["TYPED"]:
            self._typed(token)
        elif kind in (ID["INT"], ID["MINUS"], ID["LBRACE"], ID["OPERATOR"]):
            found = self._suspicious(token)
            if found is None:
                return None
            token = found
        elif kind == UNKNOWN:
            return self._unknown(token)
        if token.kind == NAME and not token.odd:
            token.kind = KEYWORDS.get(text[start : token.end], NAME)
        self.at = token.end
        return token

    def _word(self, token: Token) -> Token:
        """A word that goes on with something that no name has."""
        text, start, end = self.text, token.start, token.end
        if token.kind == NAME and (url := _URL.match(text, start)):
            token.end, token.odd = url.end(), "bare"
            return token
        after = text[end : end + 1]
        if token.kind == NAME and (after == "-" or (after > "~" and after.isalnum())):
            word = _WORD.match(text, start)
            assert word is not None
            if word.end() > end:
                token.end = word.end()
                token.odd = "hyphen" if text[end] == "-" else "letters"
                gap = re.compile(r"[ \t]*=(?!=)").match(text, token.end)
                if gap:
                    self.odd_name(token)
                    token.kind, token.end, token.odd = KEY, gap.end(), ""
        return token

    def _typed(self, token: Token) -> None:
        """A kind or a type with a hyphen in it."""
        more = _HYPHENED.match(self.text, token.end)
        if more:
            word = self.text[token.start : more.end()].lstrip(": \t\r\n")
            token.end = more.end()
            odd = Token(NAME, token.end - len(word), token.end, False, 0)
            odd.odd = "hyphen"
            self.odd_name(odd)

    def odd_name(self, token: Token) -> None:
        """Report a name with characters that no name has."""
        word = self.text[token.start : token.end]
        if token.odd == "hyphen":
            right = word.replace("-", "_")
            self.report(
                slips.RF117,
                token.span,
                f"the name `{word}` has a hyphen",
                help=f"write `{right}`" if right.isascii() else None,
            )
            return
        at = next(i for i, c in enumerate(word) if c > "~")
        right = "".join(slips.meant(c) or c for c in word)
        self.report(
            slips.RF106 if right.isascii() else slips.RF105,
            (token.start + at, token.start + at + 1),
            f"the name `{word}` holds `{word[at]}` ({slips.named(word[at])})",
            help="names are made of the letters a to z, digits and `_`",
            suggestion=right if right.isascii() else None,
        )

    def _suspicious(self, token: Token) -> Token | None:
        """Tokens that are fine by themselves, but known from elsewhere in company."""
        text, start = self.text, token.start
        if token.kind == ID["LBRACE"] and (m := _FOREIGN.match(text, start)):
            return self._interpolation(token, m)
        if token.kind == ID["OPERATOR"]:
            if m := _HEREDOC.match(text, start):
                return self._heredoc(token, m)
            if text.startswith(("===", "!=="), start):
                self._operator((start, start + 3), text[start : start + 2])
                token.end, token.word = start + 3, text[start : start + 2]
            elif text.startswith("<>", start):
                self._operator((start, start + 2), "!=")
                token.end, token.word = start + 2, "!="
            elif text.startswith("**", start):
                self._operator((start, start + 2), None)
                token.end = start + 2
                token.word = "*"
        return token

    def _operator(self, span: ast.Span, right: str | None) -> None:
        word = self.text[slice(*span)]
        self.report(
            slips.RF110,
            span,
            f"`{word}` is not an operator",
            help=f"write `{right}`" if right else None,
        )

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
        return self._stand_in(token, STRING, end, _plain(body, token.start, end))

    def _stand_in(self, token: Token, kind: int, end: int, value: Any) -> Token:
        token.kind, token.end, token.value = kind, end, value
        self.at = end
        line_break = self.text.rfind("\n", token.start, end)
        if line_break >= 0:
            self.line_start = line_break + 1
        return token

    # -- where the pattern has no token

    def _unknown(self, token: Token) -> Token | None:
        text, start = self.text, token.start
        char = text[start]
        if char == '"':
            return self._string(token)
        if char == "'":
            return self._raw(token)
        if char == "$":
            return self._dollar(token)
        if char.isdigit():
            return self._number(token)
        if char in "&|!":
            word = text[start : start + 2] if text.startswith(("&&", "||"), start) else char
            if word in _OPERATORS:
                token.kind, token.end = ID[_OPERATORS[word]], start + len(word)
                token.word = SYMBOLS[token.kind].lower()
                self.at = token.end
                self._operator(token.span, token.word)
                return token
        if text.startswith(("//", "/*"), start):
            self._comment(token)
            return None
        if control := _CONTROL.match(text, start):
            self.at = control.end()
            self.report(
                slips.RF119,
                control.span(),
                f"a control character, U+{ord(char):04X}, stands here",
                help="delete it",
            )
            return None
        if char > "~":
            return self._foreign_character(token)
        junk = _JUNK.match(text, start)
        self.at = junk.end() if junk else start + 1
        self._junk((start, self.at))
        return None

    def _junk(self, span: ast.Span) -> None:
        start, end = span
        word = self.text[start : min(end, start + 20)]
        step = "entries need nothing between them: delete it" if word == ";" else None
        self.report(slips.RF105, span, f"`{word}` has no meaning here", help=step)

    def _string(self, token: Token) -> Token:
        text, start = self.text, token.start
        if text.startswith('"""', start):
            return self._block(token)
        m = _STRING.match(text, start)
        assert m is not None
        if m[1]:
            self._bad_references(start, m.end(), inline=True)
            return self._stand_in(token, STRING, m.end(), _plain("", start, m.end()))
        end = start + len(m.group().rstrip())
        self.report(
            slips.RF103,
            (start, end),
            "the string is not closed",
            help='write `"` at its end; text of several lines stands in `"""`',
        )
        return self._stand_in(token, STRING, end, _plain(text[start + 1 : end], start, end))

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
            self._bad_references(start, end, inline=False)
        return self._stand_in(token, STRING, end, _plain("", start, end))

    def _bad_references(self, start: int, end: int, *, inline: bool) -> None:
        """Report the references in a string that are none."""
        text, at = self.text, start
        while (at := text.find("$<", at, end)) >= 0:
            good = _GOOD_REFERENCE.match(text, at, end)
            if good is None and text[at - 1] != "\\":
                m = _REFERENCE.match(text, at, end)
                assert m is not None
                closed = bool(m[1])
                self.bad_reference(at, m.end(), closed=closed)
            at = good.end() if good else at + 2

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
        self.report(
            slips.RF103, (token.start, end), "the string is not closed", help="write `'` at its end"
        )
        body = self.text[token.start + 1 : end]
        return self._stand_in(token, STRING, end, _plain(body, token.start, end))

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
        if foreign := _FOREIGN.match(text, start):
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
            value: Any = ast.Duration(0, word, span=(start, end))
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

    def _comment(self, token: Token) -> None:
        text, start = self.text, token.start
        if text.startswith("/*", start):
            close = text.find("*/", start + 2)
            end = len(text) if close < 0 else close + 2
        else:
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
        self.at = end
        line_end = text.find("\n", start, end)
        self.report(
            slips.RF120,
            (start, end if line_end < 0 else line_end),
            f"`{text[start : start + 2]}` begins no comment",
            help="write `#`",
        )

    def _foreign_character(self, token: Token) -> Token | None:
        text, start = self.text, token.start
        char = text[start]
        if m := _CURLY.match(text, start):
            body = m[1] if m[1] is not None else m[2]
            self.report(
                slips.RF106,
                m.span(),
                f"`{char}` ({slips.named(char)}) is not a quote of the language",
                help=f'write "{body}"' if len(body) < 40 else 'write `"` at both ends',
            )
            return self._stand_in(token, STRING, m.end(), _plain(body, *m.span()))
        word = _WORD.match(text, start)
        if word:
            token.kind, token.end, token.odd = NAME, word.end(), "letters"
            self.at = token.end
            return token
        right = slips.meant(char)
        run = re.compile(re.escape(char) + "+").match(text, start)
        assert run is not None
        self.at = run.end()
        code = slips.RF105 if right is None else slips.RF106
        step = None
        if right == " ":
            step = "delete it, or write an ordinary blank"
        elif right:
            step = f"write `{right}`"
        message = f"`{char}` ({slips.named(char)}) has no meaning here"
        if right == " ":
            message = f"an invisible character ({slips.named(char)}) stands here"
        self.report(code, (start, self.at), message, help=step)
        return self._ascii(token, right)

    def _ascii(self, token: Token, right: str | None) -> Token | None:
        """The token that a look-alike stands for, where it is one by itself."""
        m = TOKENS.match(right) if right else None
        kind = m.lastindex if m else None
        if m is None or kind is None or kind in (UNKNOWN, END, COMMENT, KEY):
            return None
        token.kind, token.end, token.word = kind, self.at, m.group()
        if kind == NAME:
            token.kind = KEYWORDS.get(m.group(), NAME)
        if token.kind in (ID["INT"], ID["RAW"], NAME):
            return None
        return token


def _plain(body: str, start: int, end: int) -> ast.Str:
    return ast.Str((body,) if body else (), offsets=(start + 1,) if body else (), span=(start, end))


def _ref(inside: str, start: int, end: int) -> ast.Ref:
    path = _PATH.match(inside)
    parts = tuple(path.group().split(".")) if path else ("args",)
    return ast.Ref(ast.Path(parts, span=(start, end)), (), span=(start, end))


__all__ = ["ID", "Code", "Lexer", "Report", "Token"]
