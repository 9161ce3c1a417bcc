"""The tolerant lexer of the error path: tokens for any text, with its slips reported.

It reads with the same pattern as the quick path. Where that finds no token, a slip is reported
once and a token that was probably meant takes its place, so that one slip does not lead to more.
Each character is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rflow.dsl import ast
from rflow.dsl import slips_text as slips
from rflow.dsl.build import Builder, comment
from rflow.dsl.lexing_literals import FOREIGN, HEREDOC, Literals, plain
from rflow.dsl.limits import TOKENS_MAX, TooLarge
from rflow.dsl.parse import TOKENS, is_doc
from rflow.dsl.tokens import ID, Report, Token
from rflow.grammar.tables import COMMENT, END, KEYWORDS, SYMBOLS, UNKNOWN

NAME, KEY, STRING, DOTTED = ID["NAME"], ID["KEY"], ID["STRING"], ID["DOTTED"]

_WORD = re.compile(r"[^\W\d]\w*(?:-\w+){0,50}")
_HYPHENED = re.compile(r"(?:-[A-Za-z0-9_.]+){1,50}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+]*://[^\s\"'{}\[\],]*")
_CURLY = re.compile("[“„«‟]([^”“»\n]*+)[”“»]|[‘‚]([^’\n]*+)’")
_JUNK = re.compile(r"[^\sA-Za-z0-9_{}\[\]()\"'=:,#.]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_OPERATORS = {"&&": "AND", "||": "OR", "&": "AND", "!": "NOT"}


class Lexer(Literals):
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
        self._read = 0
        self._docs: list[ast.Span] = []

    def __iter__(self) -> Iterator[Token]:
        while True:
            yield self.next()

    def next(self) -> Token:
        """The next token, with what stands before it read."""
        while True:
            self._read += 1
            if self._read > TOKENS_MAX:
                raise TooLarge(self.at)
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
        if token.kind == ID["LBRACE"] and (m := FOREIGN.match(text, start)):
            return self._interpolation(token, m)
        if token.kind == ID["OPERATOR"]:
            if m := HEREDOC.match(text, start):
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
            return self._stand_in(token, STRING, m.end(), plain(body, *m.span()))
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
