"""AST → text, in the one form that `rflow fmt` gives.

Two spaces a level; one entry a line, but for a short block, list or map that was written on one
line; `=` aligned in runs of inputs, comments behind code aligned in runs; at most one blank line
between entries. Comments come from `Module.comments` by their offsets: before, behind or after
the entry that they stood at; one in the middle of an entry moves before it. None is ever lost.
Without the original text everything stands on lines of its own.
"""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from msgspec import Struct
from rflow.dsl import ast
from rflow.dsl.parse import is_doc
from rflow.dsl.print_entry import Head, head_of
from rflow.dsl.print_expr import block_text, flat, key, needs_parentheses

WIDTH = 100
_GAP = re.compile(r"[\s,]*")
_SAME_LINE = re.compile(r"[ \t,]*")


class _Line(Struct):
    """A line. For an input, `name` stands before ` = ` and `text` is its value."""

    level: int
    text: str
    name: str | None = None
    comment: str = ""
    blank: bool = False


class _Entry(Struct, frozen=True):
    """An entry of a map, as if it were an input."""

    name: ast.Name
    value: ast.Expr
    span: ast.Span


@dataclasses.dataclass(slots=True)
class _Comments:
    """The comments of the file, each to be taken once."""

    items: Sequence[ast.Comment]
    starts: list[int] = dataclasses.field(init=False)
    taken: set[int] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        self.starts = [c.span[0] for c in self.items]

    def within(self, start: int, end: int) -> list[ast.Comment]:
        """The comments in a part of the text that were not taken yet."""
        low, high = bisect_left(self.starts, start), bisect_left(self.starts, end)
        return [c for c in self.items[low:high] if c.span[0] not in self.taken]

    def take(self, comment: ast.Comment) -> str:
        self.taken.add(comment.span[0])
        return comment.text


def print_module(module: ast.Module, text: str) -> str:
    """The module as text; `text` is what it was parsed from, empty where there is none."""
    return _Printer(module, text).print()


class _Printer:
    def __init__(self, module: ast.Module, text: str) -> None:
        self.module = module
        self.text = text
        self.comments = _Comments(module.comments)

    def print(self) -> str:
        version = f"rflow {self.module.version}"
        start = self.text.find("rflow") if self.text else 0
        lines: list[_Line] = []
        first = next((d.span[0] for d in self.module.declarations), len(self.text))
        head = re.compile(r"rflow\s+[0-9]+|rflow")
        if self.text:
            start = self._version_start()
            for comment in self.comments.within(0, start):
                blank = bool(lines) and self._blank_before(comment.span[0])
                lines.append(_Line(0, self.comments.take(comment), blank=blank))
            m = head.match(self.text, start)
            end = m.end() if m else start
        else:
            end = 0
        blank = bool(lines) and self._blank_before(start)
        lines.append(_Line(0, version, blank=blank))
        self._trailing(lines[-1], end, first)
        lines.extend(self._entries(self.module.declarations, end, len(self.text), 0))
        return "".join(_laid_out(lines))

    def _version_start(self) -> int:
        at = 0
        while (at := self.text.find("rflow", at)) >= 0:
            line = self.text.rfind("\n", 0, at) + 1
            if "#" not in self.text[line:at]:
                return at
            at += 1
        return 0

    # -- entries, with the comments around them

    def _entries(self, entries: Sequence[object], start: int, end: int, level: int) -> list[_Line]:
        """The entries of a block whose text is text[start:end], and all comments in it."""
        lines: list[_Line] = []
        ordered = sorted(entries, key=lambda e: _span(e)[0])
        for index, entry in enumerate(ordered):
            span = _span(entry)
            own = [] if not self.text else self._before(entry, start)
            group: list[_Line] = []
            for comment in own:
                in_front = comment.span[0] < span[0]
                blank = in_front and self._blank_before(comment.span[0])
                shown = self.comments.take(comment)
                if not in_front and is_doc(shown, 0, len(shown)):
                    shown = shown[1:]  # else it would become the entry's doc comment
                group.append(_Line(level, shown, blank=blank))
            docs = _doc_lines(entry, level)
            body = self._entry(entry, level)
            if self.text:
                docs_blank = self._blank_before(self._first_doc(span[0], start, bool(docs)))
            else:
                docs_blank = index > 0 and (len(body) > 1 or level == 0)
            (docs or body)[0].blank = docs_blank
            group.extend(docs)
            group.extend(body)
            following = ordered[index + 1] if index + 1 < len(ordered) else None
            self._trailing(body[-1], span[1], _span(following)[0] if following else end)
            if level == 0 and not (
                isinstance(entry, ast.Import)
                and index
                and isinstance(ordered[index - 1], ast.Import)
            ):
                group[0].blank = True
            lines.extend(group)
            start = max(start, span[1])
        for comment in self.comments.within(start, end) if self.text else ():
            blank = self._blank_before(comment.span[0])
            lines.append(_Line(level, self.comments.take(comment), blank=blank))
        if lines and level:
            lines[0].blank = False
        return lines

    def _before(self, entry: object, start: int) -> list[ast.Comment]:
        """The comments that go before an entry: those in front of it, and those in the middle of
        it that no block, list or map in it will print."""
        first, last = _span(entry)
        found = self.comments.within(start, first)
        inside = self.comments.within(first, last)
        if inside:
            regions = list(self._regions(entry))
            found += [c for c in inside if not any(a <= c.span[0] < b for a, b in regions)]
        return found

    def _regions(self, entry: object) -> Iterator[ast.Span]:
        """The parts of an entry that print the comments in them."""
        stack: list[ast.Expr]
        if isinstance(entry, ast.Input | _Entry):
            stack = [entry.value]
        else:
            head = head_of(entry)
            if head.entries is not None:
                yield self._opening(head), _span(entry)[1]
                return
            stack = list(head.values)
        while stack:
            node = stack.pop()
            match node:
                case ast.ListExpr() | ast.MapExpr():
                    yield node.span
                case ast.Binary():
                    stack += [node.left, node.right]
                case ast.Unary():
                    stack.append(node.operand)
                case ast.IfExpr():
                    stack += [node.condition, node.then, node.otherwise]

    def _opening(self, head: Head) -> int:
        """Where the `{` of a block stands."""
        at = self.text.find("{", head.end)
        while at >= 0:
            line = max(self.text.rfind("\n", 0, at) + 1, head.end)
            hash_ = self.text.find("#", line, at)
            if hash_ < 0:
                return at
            at = self.text.find("{", self.text.find("\n", at))
        return head.end

    def _trailing(self, line: _Line, end: int, limit: int) -> None:
        """Put the comment that stands behind `end`, on its line, behind the line."""
        if not self.text:
            return
        m = _SAME_LINE.match(self.text, end)
        at = m.end() if m else end
        if at < limit or limit == len(self.text):
            for comment in self.comments.within(at, at + 1):
                line.comment = self.comments.take(comment)

    def _blank_before(self, at: int) -> bool:
        """Whether a blank line stands before `at`."""
        before = at
        while before > 0 and self.text[before - 1] in " \t\r\n,":
            before -= 1
        return before > 0 and self.text.count("\n", before, at) > 1

    def _first_doc(self, at: int, start: int, documented: bool) -> int:
        """Where the doc comments before `at` begin, or what stands there."""
        while documented:
            line = self.text.rfind("\n", start, at)
            if line < 0:
                break
            previous = self.text.rfind("\n", 0, line) + 1
            stripped = self.text[previous:line].strip()
            if stripped.startswith("##") and not stripped.startswith("###"):
                at = previous + self.text[previous:line].index("#")
            elif not stripped and self._doc_above(previous, start):
                at = previous
            else:
                break
        return at

    def _doc_above(self, at: int, start: int) -> bool:
        before = self.text[start:at].rstrip()
        last = before[before.rfind("\n") + 1 :].strip()
        return last.startswith("##") and not last.startswith("###")

    # -- one entry

    def _entry(self, entry: object, level: int) -> list[_Line]:
        if isinstance(entry, ast.Input | _Entry):
            name = key(entry.name)
            shown = self._value(entry.value, level, len(name) + 3)
            first = _Line(level, shown[0], name=name if len(shown) == 1 else None)
            if len(shown) > 1:
                first.text = f"{name} = {shown[0]}"
            return [first, *(_Line(-1, text) for text in shown[1:])]
        head = head_of(entry)
        if head.entries is None:
            lines = [head.text]
            for value, after in zip(head.values, head.between, strict=True):
                shown = self._value(value, level, len(lines[-1]))
                lines = [*lines[:-1], lines[-1] + shown[0], *shown[1:]]
                lines[-1] += after
            return [_Line(level, lines[0]), *(_Line(-1, text) for text in lines[1:])]
        return self._block(head, _span(entry)[1], level)

    def _block(self, head: Head, end: int, level: int) -> list[_Line]:
        entries = head.entries or ()
        opening = self._opening(head) if self.text else 0
        inside = self.comments.within(opening, end) if self.text else []
        if not entries and not inside:
            return [_Line(level, head.text + (" { }" if head.required else ""))]
        if self.text and not inside and "\n" not in self.text[opening:end]:
            line = _one_line(head)
            if line is not None and len(line) + 2 * level <= WIDTH:
                return [_Line(level, line)]
        first = _Line(level, head.text + " {")
        if self.text:
            limit = min((_span(e)[0] for e in entries), default=end)
            self._trailing(first, opening + 1, limit)
        body = self._entries(entries, opening + 1, end, level + 1)
        return [first, *body, _Line(level, "}")]

    # -- values, which may take several lines; all but the first are indented already

    def _value(self, expr: ast.Expr, level: int, used: int) -> list[str]:
        if self._is_flat(expr):
            text = flat(expr)
            if len(text) + used + 2 * level <= WIDTH or not _breakable(expr):
                return [text]
        pad = "  " * level
        match expr:
            case ast.Str():
                return _block_string(expr, pad)
            case ast.ListExpr():
                return self._list(expr, level)
            case ast.MapExpr():
                entries = [_Entry(k, v, (k.span[0], v.span[1])) for k, v in expr.entries]
                body = self._entries(entries, expr.span[0] + 1, expr.span[1], level + 1)
                return ["{", *"".join(_laid_out(body)).split("\n")[:-1], f"{pad}}}"]
            case ast.Binary():
                left = self._operand(expr.left, expr, level, used)
                right = self._operand(expr.right, expr, level, used, right=True)
                if expr.op in ("and", "or") and len(left) == 1 == len(right):
                    return [*left, f"{pad}  {expr.op} {right[0]}"]
                if expr.op in ("and", "or") and len(right) == 1:
                    return [*left, f"{pad}  {expr.op} {right[0]}"]
                return _joined(left, f" {expr.op} ", right)
            case ast.Unary():
                word = "not " if expr.op == "not" else "-"
                return _joined([word], "", self._operand(expr.operand, expr, level, used))
            case ast.IfExpr():
                lines = _joined(["if "], "", self._value(expr.condition, level, used))
                lines = _joined(lines, " then ", self._value(expr.then, level, used))
                return _joined(lines, " else ", self._value(expr.otherwise, level, used))
        return [flat(expr)]

    def _operand(
        self,
        expr: ast.Expr,
        parent: ast.Binary | ast.Unary,
        level: int,
        used: int,
        *,
        right: bool = False,
    ) -> list[str]:
        lines = self._value(expr, level, used)
        if needs_parentheses(expr, parent, right=right):
            lines = _joined(["("], "", _joined(lines, "", [")"]))
        return lines

    def _list(self, expr: ast.ListExpr, level: int) -> list[str]:
        pad = "  " * (level + 1)
        lines = ["["]
        at = expr.span[0] + 1
        for index, item in enumerate(expr.items):
            limit = expr.items[index + 1].span[0] if index + 1 < len(expr.items) else expr.span[1]
            own = self._before(_Entry(ast.Name(""), item, item.span), at) if self.text else []
            lines += [pad + self.comments.take(comment) for comment in own]
            value = self._value(item, level + 1, 1)
            value[0] = pad + value[0]
            last = _Line(0, value[-1] + ",")
            self._trailing(last, item.span[1], limit)
            value[-1] = last.text + (f"  {last.comment}" if last.comment else "")
            lines += value
            at = max(at, item.span[1])
        if self.text:
            rest = self.comments.within(at, expr.span[1])
            lines += [pad + self.comments.take(comment) for comment in rest]
        return [*lines, "  " * level + "]"]

    def _is_flat(self, expr: ast.Expr) -> bool:
        """Whether the expression can stand on one line, and was written so."""
        for node in ast.walk(expr):
            if isinstance(node, ast.Str) and node.style == "block" and "\n" in block_text(node):
                return False
            listed = isinstance(node, ast.ListExpr | ast.MapExpr) and bool(self.text)
            if listed and "\n" in self.text[slice(*node.span)]:  # type: ignore[attr-defined]
                return False
        return True


def _joined(left: list[str], between: str, right: list[str]) -> list[str]:
    return [*left[:-1], left[-1] + between + right[0], *right[1:]]


def _breakable(expr: ast.Expr) -> bool:
    """Whether a long expression can be spread over lines."""
    return any(
        (isinstance(node, ast.ListExpr) and node.items)
        or (isinstance(node, ast.MapExpr) and node.entries)
        or (isinstance(node, ast.Binary) and node.op in ("and", "or"))
        for node in ast.walk(expr)
    )


def _block_string(value: ast.Str, pad: str) -> list[str]:
    body = block_text(value)
    lines = body.split("\n")
    full = [line for line in lines if line.strip(" \t\r")]
    if full and all(line[0] in " \t" for line in full):
        first, rest = '"""' + lines[0], lines[1:]  # its own indentation would be taken away
    else:
        first, rest = '"""', lines
    shown = [f"{pad}  {line}" if line else "" for line in rest]
    if rest and not rest[-1]:
        return [first, *shown[:-1], f'{pad}"""']
    return [first, *shown[:-1], shown[-1] + '"""']


def _one_line(head: Head) -> str | None:
    """A block on one line; None where something in it takes several."""
    shown = []
    for entry in head.entries or ():
        if getattr(entry, "doc", None) is not None:
            return None
        if isinstance(entry, ast.Input):
            shown.append((_span(entry)[0], f"{key(entry.name)} = {flat(entry.value)}"))
            continue
        inner = head_of(entry)
        if inner.entries is None:
            text = inner.text
            for value, after in zip(inner.values, inner.between, strict=True):
                text += flat(value) + after
        elif inner.entries:
            line = _one_line(inner)
            if line is None:
                return None
            text = line
        else:
            text = inner.text + (" { }" if inner.required else "")
        shown.append((_span(entry)[0], text))
    line = "  ".join(text for _, text in sorted(shown, key=lambda s: s[0]))
    return f"{head.text} {{ {line} }}"


def _doc_lines(entry: object, level: int) -> list[_Line]:
    doc = getattr(entry, "doc", None)
    if doc is None:
        return []
    return [_Line(level, f"## {line}".rstrip()) for line in doc.split("\n")]


def _span(entry: object) -> ast.Span:
    span: ast.Span = entry.span  # type: ignore[attr-defined]
    return span


def _laid_out(lines: list[_Line]) -> Iterator[str]:
    """The lines as text: runs of inputs and of comments behind code aligned."""
    _align_names(lines)
    _align_comments(lines)
    for line in lines:
        if line.blank:
            yield "\n"
        pad = "  " * line.level if line.level > 0 else ""
        text = line.text if line.name is None else f"{line.name} = {line.text}"
        text = pad + text if text else ""
        if line.comment:
            text = f"{text}  {line.comment}"
        yield text + "\n"


def _align_names(lines: list[_Line]) -> None:
    for run in _runs(lines, lambda line: line.name is not None):
        width = max(len(line.name or "") for line in run)
        for line in run:
            line.name = (line.name or "").ljust(width)


def _align_comments(lines: list[_Line]) -> None:
    for run in _runs(lines, lambda line: bool(line.comment)):
        sizes = [len(t.text) + (len(t.name) + 3 if t.name is not None else 0) for t in run]
        width = max(sizes)
        for line, size in zip(run, sizes, strict=True):
            line.comment = " " * (width - size) + line.comment


def _runs(lines: list[_Line], belongs: object) -> Iterator[list[_Line]]:
    """Neighbours at one level, without a blank line between them, that belong together."""
    run: list[_Line] = []
    for line in lines:
        fits = belongs(line) and line.level >= 0  # type: ignore[operator]
        if run and not (fits and line.level == run[-1].level and not line.blank):
            yield run
            run = []
        if fits:
            run.append(line)
    if run:
        yield run
