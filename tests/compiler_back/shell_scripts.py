"""Scripts to try quoting on: mostly well formed, full of whatever confuses a reader of shell.

Scripts write only to their output, read no input, and use what they store only within quotes, so
that they do the same for any values of their references.
"""

from __future__ import annotations

from random import Random

COMMAND = "printf :%s:"
SPECIAL = ["'", '"', "\\", "$", "`", "(", ")", "{", "}", "#", ";", "|", "<<E", "\n", " ", "*", "a"]
STRAY = [
    *("'", '"', "\\", "\\\\", "$", "$(", ")", "((", "))", "`", "${y:-", "}", "#", " #", "\n"),
    *("<<E", "\nE\n", "case a in ", "esac", ";;", "$'", "\\\n", "=", "*", "[", "]", "~", "@("),
    *("<(", "$((", "$[", '$"', "{ ", "( ", " )", ";", " ", "\t", "<<-", "[[ ", " ]]", "x=", "z["),
]

Parts = list[str | int]


class Scripts:
    """A generator of scripts from a source of chance; references are 1 and 2."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.pending: list[Parts] = []
        self.marks = 0

    def script(self) -> Parts:
        """A script: its texts and references."""
        parts: Parts = []
        for _ in range(self.random.randint(1, 4)):
            parts += [*self.command(2), *self.line_break()]
        for _ in range(self.random.choice([0, 0, 0, 1, 2])):
            at = self.random.randint(0, len(parts))
            parts.insert(at, self.random.choice(STRAY))
        return [*parts, "\n", f"{COMMAND} ", self.reference()]

    def reference(self) -> int:
        return self.random.randint(1, 2)

    def line_break(self) -> Parts:
        """The end of a line, and the here-documents that begin behind it."""
        parts: Parts = ["\n"]
        for body in self.pending:
            parts += body
        self.pending = []
        return parts

    def command(self, depth: int) -> Parts:
        one = self.random.randint(0, 13 if depth else 4)
        inner = depth - 1
        if one <= 2:
            return self.simple(depth)
        if one == 3:
            return [*self.here_document(), *self.line_break(), *self.simple(depth)]
        if one == 4:
            return ["# ", *self.text("\n"), *self.line_break(), *self.simple(depth)]
        if one == 5:
            return ["if true; then ", *self.command(inner), self.separator(), "fi"]
        if one == 6:
            words = self.words(depth)
            return ["for q in ", *words, "; do ", *self.command(inner), self.separator(), "done"]
        if one == 7:
            return self.case(inner)
        if one == 8:
            return ["( ", *self.command(inner), self.separator(), ")"]
        if one == 9:
            return ["{ ", *self.command(inner), self.separator(), "}"]
        if one == 10:
            return ["f() { ", *self.command(inner), self.separator(), "}; f"]
        if one == 11:
            return [*self.command(inner), " | ", "cat"]
        if one == 12:
            return ["x=", *self.word(depth), '; printf :%s: "$x"']
        return [
            *self.command(inner),
            self.random.choice([" && ", " || ", "; "]),
            *self.simple(inner),
        ]

    def separator(self) -> str:
        return "\n" if not self.pending else " "

    def case(self, depth: int) -> Parts:
        parts: Parts = ["case ", *self.word(depth), " in "]
        for _ in range(self.random.randint(1, 2)):
            opened = self.random.choice(["", "("])
            parts += [opened, *self.word(depth), *self.random.choice([[], ["|b"]]), ") "]
            parts += [*self.simple(depth), ";; "]
        return [*parts, f"*) {COMMAND} z;; " if self.random.random() < 0.7 else "", "esac"]

    def simple(self, depth: int) -> Parts:
        return [f"{COMMAND} ", *self.words(depth)]

    def words(self, depth: int) -> Parts:
        parts: Parts = []
        for _ in range(self.random.randint(1, 3)):
            parts += [*self.word(depth), self.random.choice([" ", "  ", " \\\n"])]
        return [*parts, "w"]

    def word(self, depth: int) -> Parts:
        parts: Parts = []
        for _ in range(self.random.randint(1, 3)):
            parts += self.piece(depth)
        return parts

    def piece(self, depth: int) -> Parts:
        one = self.random.randint(0, 15 if depth else 8)
        if one <= 2:
            return [self.reference()]
        if one == 3:
            return ["'", *self.text("'"), "'"]
        if one in (4, 5):
            return ['"', *self.double(depth), '"']
        if one == 6:
            return ["\\", self.random.choice(SPECIAL[:-2])[0]]
        if one == 7:
            return [self.random.choice(["a", "b#", "-", "~", "=", "{a,", "}", "%", "[", "]", "$?"])]
        if one == 8:
            return ["$'", *[part for part in self.text("'") if part != "\\"], "'"]
        return self.expansion(depth, quoted=False)

    def text(self, without: str) -> Parts:
        """Any characters but one, and references."""
        parts: Parts = []
        for _ in range(self.random.randint(0, 4)):
            piece = self.random.choice(SPECIAL)
            parts.append(self.reference() if self.random.random() < 0.3 else piece)
        return [part for part in parts if part != without]

    def double(self, depth: int) -> Parts:
        parts: Parts = []
        for _ in range(self.random.randint(0, 4)):
            one = self.random.randint(0, 8)
            if one <= 2:
                parts.append(self.reference())
            elif one == 3:
                parts += ["\\", self.random.choice(['"', "\\", "$", "`", "a", "\n"])]
            elif one == 4 and depth:
                parts += self.expansion(depth, quoted=True)
            else:
                parts.append(
                    self.random.choice(["'", "#", "(", ")", ";", " ", "{", "}", "<<E", "\n"])
                )
        return parts

    def expansion(self, depth: int, *, quoted: bool) -> Parts:
        one = self.random.randint(0, 6)
        if one == 0:
            return ["$(", *self.substituted(depth - 1), ")"]
        if one == 1:
            return ["`", *(p for p in self.substituted(0) if p not in ("`", "\\")), "`"]
        if one == 2:
            return ["${y:-", *self.random.choice([["a"], ['"', "}", '"'], ["\\}"], ["$y"]]), "}"]
        if one == 3:
            return ["${y#", "*" if quoted else "'}'", "}"]
        if one == 4:
            return ["$((1 + (2 << 1)))"]
        if one == 5:
            return ['"$y"' if not quoted else "$y"]
        return ["${#y}"]

    def substituted(self, depth: int) -> Parts:
        """Commands for `$(…)`: with a `case`, comments or a here-document, but no references."""
        outer, self.pending = self.pending, []
        one = self.random.randint(0, 4)
        if one == 0:
            parts: Parts = ["case a in a) ", *self.simple(0), ";; esac"]
        elif one == 1:
            parts = ["# it's ) \n", *self.simple(0)]
        elif one == 2:
            parts = ["cat <<E\n) it's \"\nE\n"]
        else:
            parts = self.simple(max(depth, 0))
        self.pending = outer
        return [part if isinstance(part, str) else "r" for part in parts]

    def here_document(self) -> Parts:
        self.marks += 1
        mark = f"E{self.marks}"
        tabs = self.random.choice(["", "-"])
        quote = self.random.choice(["", "", "'", '"', "\\"])
        body: Parts = []
        for _ in range(self.random.randint(0, 4)):
            piece = self.random.choice(["'", '"', "#", "(", ")", "\n", " ", "E", "\\\\", "${y:-a}"])
            body.append(self.reference() if self.random.random() < 0.3 and not quote else piece)
        self.pending.append([*body, "\n", "\t" if tabs else "", f"{mark}\n"])
        closing = "" if quote == "\\" else quote
        return [
            "cat ",
            f"<<{tabs}{quote}{mark}{closing}",
            self.random.choice(["", " ; :", " | cat"]),
        ]
