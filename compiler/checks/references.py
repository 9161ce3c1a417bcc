"""What a path stands for: `args.replicas`, `refs.image.artifact`, `let.tag`, `run.name`.

This module owns the resolution of paths: which root may be read where, what a name refers to,
whether the value may be missing at that place and which members must have ended before it can be
read. It never looks at filters or operators.
"""

from __future__ import annotations

from collections.abc import Callable

from rflow.compiler.checks import reference_codes as codes
from rflow.compiler.checks.outputs import node_behind
from rflow.compiler.checks.reference_mistakes import Mistakes
from rflow.compiler.checks.report import listed
from rflow.compiler.checks.sites import FAILED, FIELDS, RANK, ROOTS, Site, Typed
from rflow.compiler.expr import Get
from rflow.compiler.scope import (
    BOUND,
    LATE,
    SECRET,
    Flow,
    Let,
    Member,
    Trigger,
)
from rflow.compiler.types import (
    ANY,
    BOOL,
    STRING,
    List,
    Map,
    Optional,
    Record,
    Type,
    show_type,
)
from rflow.dsl import ast


class References:
    """Resolves the paths of one flow; `site` is where the current expression stands."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.report = flow.file.report
        self.mistakes = Mistakes(flow)
        self.site = Site()
        self.it: list[tuple[Type | None, int]] = []
        self._roots: dict[str | int, Callable[[ast.Path], Typed]] = {
            "args": self._arg,
            "secrets": self._secret,
            "refs": self._ref,
            "let": self._let,
            "run": self._field,
            "flow": self._field,
            "stage": self._stage,
            "each": self._each,
            "done": self._done,
            "it": self._it,
        }

    def read(self, path: ast.Path) -> Typed:
        """What the path gives at the current site."""
        root = path.parts[0]
        read = self._roots.get(root)
        if read is None:
            return self.mistakes.no_root(path, self.site)
        roots = self.site.roots
        if roots is not None and root not in roots and root != "it":
            if root in ROOTS:
                return self.mistakes.misplaced(path, self.site)
            return self.mistakes.no_root(path, self.site)
        if len(path.parts) < 2 and root != "it":
            return self.mistakes.bare(path)
        return read(path)

    # -- roots ---------------------------------------------------------------------------------

    def _arg(self, path: ast.Path) -> Typed:
        name = str(path.parts[1])
        arg = self.flow.args.get(name)
        if arg is None:
            return self.mistakes.unknown(path, "argument", list(self.flow.args), "args")
        return self._within(Get("arg", path.parts[1:]), arg.type, arg.labels, path, 2)

    def _secret(self, path: ast.Path) -> Typed:
        name = str(path.parts[1])
        if name not in self.flow.secrets:
            return self.mistakes.unknown(path, "secret", list(self.flow.secrets), "secrets")
        return self._within(Get("secret", (name,)), STRING, SECRET, path, 2)

    def _let(self, path: ast.Path) -> Typed:
        name = str(path.parts[1])
        let = self.flow.lets.get(name)
        if let is None:
            return self.mistakes.unknown(path, "let", list(self.flow.lets), "let")
        if not let.done:  # in a circle of lets, which is reported by itself
            return FAILED
        site = self.site
        if site.roots is not None and let.labels & BOUND and "args" not in site.roots:
            return self.mistakes.misplaced(path, self.site)
        if site.undo in let.deps:
            return self.mistakes.undoes_itself(path, f"`let.{name}` reads ")
        type_ = let.type
        if let.deps:
            type_ = self._let_now(let, path)
        return self._within(
            Get("value", (f"let.{name}", *path.parts[2:])), type_, let.labels, path, 2
        )

    def _let_now(self, let: Let, path: ast.Path) -> Type | None:
        """The type of a let that reads members, where it is read; notes that they are read."""
        site, missing = self.site, False
        for member in let.deps:
            if not self._reach(member, path):
                return None
            if RANK[member.section] < RANK[site.section] and not self._surely_ran(member):
                missing = True
            for loop in member.loops:
                if loop in site.loops:
                    self.report.error(
                        codes.INTO_LOOP,
                        path.span,
                        f"`let.{let.tree.name.text}` reads all of `{member.name}`, but this stands "
                        f"in the same loop",
                        labels=(self.report.label(loop.tree.span, "the loop is this"),),
                        help=f"read `refs.{member.name}` directly: that is the one of this turn",
                    )
                    return None
        if missing and let.type is not None and not isinstance(let.type, Optional):
            return Optional(let.type)
        return let.type

    def _field(self, path: ast.Path) -> Typed:
        root, name = str(path.parts[0]), str(path.parts[1])
        value = FIELDS[root].get(name)
        if value is None:
            return self.mistakes.no_output(path, 1, f"`{root}`", list(FIELDS[root]))
        get = Get(root, path.parts[1:])  # type: ignore[arg-type]
        return self._within(get, value.type, value.labels, path, 2)

    def _stage(self, path: ast.Path) -> Typed:
        if self.flow.tree.stage is None:
            self.report.error(
                codes.NOT_HERE,
                path.span,
                f"the flow `{self.flow.name}` has no stage",
                text="`stage` is read here",
                help=f"write `flow {self.flow.name} for PIPELINE.STAGE`, or give the stage's name "
                "as an argument",
            )
            return FAILED
        return self._field(path)

    def _each(self, path: ast.Path) -> Typed:
        name = str(path.parts[1])
        for loop in self.site.loops:
            if loop.tree.name.text == name:
                owner = loop.owner.name
                get = Get("each", (owner, *path.parts[2:]))
                return self._within(get, loop.type, loop.labels, path, 2)
        known = [loop.tree.name.text for loop in self.site.loops]
        self.report.unknown(
            codes.UNKNOWN_LOOP,
            path.span,
            name,
            f"no loop around this is over `{name}`",
            known,
            help=f"around it are {listed(known)}" if known else "there is no `each` around it",
        )
        return FAILED

    def _done(self, path: ast.Path) -> Typed:
        outputs = self.site.done
        if self.site.undo is None:
            self.report.error(
                codes.NOT_HERE,
                path.span,
                "`done` can only be read in an `undo`",
                help="it is what the node put out that is being undone",
            )
            return FAILED
        if outputs is None:
            return FAILED
        value = outputs.get(str(path.parts[1]))
        if value is None:
            return self.mistakes.no_output(path, 1, "`done`", list(outputs))
        return self._within(
            Get("done", path.parts[1:]), value.type, value.labels | BOUND | LATE, path, 2
        )

    def _it(self, path: ast.Path) -> Typed:
        if not self.it:
            self.report.error(
                codes.NOT_HERE,
                path.span,
                "`it` can only be read in a chain over elements",
                help='as in `$<args.hosts | filter(it | starts_with("eu-"))>`',
            )
            return FAILED
        type_, labels = self.it[-1]
        return self._within(Get("it", path.parts[1:]), type_, labels, path, 1)

    # -- members and triggers ------------------------------------------------------------------

    def _ref(self, path: ast.Path) -> Typed:
        name = str(path.parts[1])
        member = self.flow.members.get(name)
        if member is not None:
            return self._member(member, path)
        if name == "trigger":
            return self._fired(path)
        trigger = self.flow.triggers.get(name)
        if trigger is not None:
            return self._trigger(trigger, name, path)
        return self.mistakes.unknown(
            path, "node", [*self.flow.members, *self.flow.triggers], "refs"
        )

    def _fired(self, path: ast.Path) -> Typed:
        name = self.flow.git_trigger
        if name is None:
            self.report.error(
                codes.NO_GIT_TRIGGER,
                path.span,
                f"the flow `{self.flow.name}` has no git trigger",
                text="`refs.trigger` is the git trigger that started the run",
                help="declare one, or read another trigger by its name",
            )
            return FAILED
        return self._trigger(self.flow.triggers[name], "trigger", path)

    def _trigger(self, trigger: Trigger, name: str, path: ast.Path) -> Typed:
        if self.flow.trigger_read is None:
            self.flow.trigger_read = path.span
        fields = trigger.fields
        if fields is None:
            return FAILED
        if len(path.parts) < 3:
            return self.mistakes.which_output(path, name, list(fields))
        value = fields.get(str(path.parts[2]))
        if value is None:
            return self.mistakes.no_output(path, 2, f"trigger `{name}`", list(fields))
        return self._within(
            Get("trigger", (name, *path.parts[2:])), value.type, value.labels | BOUND, path, 3
        )

    def _member(self, member: Member, path: ast.Path) -> Typed:
        if member is self.site.undo:
            return self.mistakes.undoes_itself(path)
        if member.kind == "group":
            self.report.error(
                codes.UNKNOWN_OUTPUT,
                path.span,
                f"the group `{member.name}` puts out nothing",
                help="read a node of the group by its own name",
            )
            return FAILED
        if not self._reach(member, path):
            return FAILED
        if member.outputs is None:  # its kind or its flow is not known
            return FAILED
        if len(path.parts) < 3:
            return self.mistakes.which_output(path, member.name, [*member.outputs, "ran"])
        output = path.parts[2]
        outside = any(loop not in self.site.loops for loop in member.loops)
        if output == "ran":
            return self._ran(member, path, outside)
        value = member.outputs.get(str(output))
        if value is None:
            return self.mistakes.no_output(path, 2, member.word, [*member.outputs, "ran"])
        labels = value.labels | BOUND | LATE
        if outside:
            whole = path.parts[1:]
            if member.kind == "use":
                behind = node_behind(member, str(output))
                if behind is None:
                    return self._computed(member, path)
                whole = (*behind, *path.parts[3:])
            item = self._type_within(value.type, path, 3)
            return Get("all", whole), None if item is None else List(_present(item)), labels
        type_ = value.type
        if type_ is not None and not isinstance(type_, Optional) and self._may_miss(member):
            type_ = Optional(type_)
        if member.kind == "use":
            get = Get("value", (f"{member.name}.{output}", *path.parts[3:]))
        else:
            get = Get("node", path.parts[1:])
        return self._within(get, type_, labels, path, 3)

    def _computed(self, member: Member, path: ast.Path) -> Typed:
        self.report.error(
            codes.INTO_LOOP,
            path.span,
            f"`{path.parts[2]}` is computed in each turn of the loop around `{member.name}`; from "
            "outside only outputs of nodes can be read",
            help="let the flow put out the node's own output, and compute with the list here",
        )
        return FAILED

    def _ran(self, member: Member, path: ast.Path, outside: bool) -> Typed:
        if outside:
            self.report.error(
                codes.INTO_LOOP,
                path.span,
                f"`{member.name}` runs once for each turn of its loop: some may run, some not",
                help="read one of its outputs: that is the list of those that ran",
            )
            return FAILED
        if len(path.parts) > 3:
            return self.mistakes.no_output(path, 3, "a bool", [])
        if member.kind == "use":
            return Get("value", (f"{member.name}.ran",)), BOOL, BOUND | LATE
        return Get("ran", (member.name,)), BOOL, BOUND | LATE

    def _reach(self, member: Member, path: ast.Path) -> bool:
        """Note that the member is read; False if it comes too late for that."""
        site = self.site
        if RANK[member.section] > RANK[site.section]:
            section = "on failure" if member.section == "failure" else "finally"
            self.report.error(
                codes.LATER_SECTION,
                path.span,
                f"{member.word} stands in `{section}`, which comes after this",
                labels=(self.report.label(member.tree.name.span, "it is declared here"),),
                help="a value can only be read of what comes before",
            )
            return False
        if site.reads is not None:
            site.reads.setdefault(member, path.span)
        return True

    def _may_miss(self, member: Member) -> bool:
        site = self.site
        if member.section != site.section:
            return not self._surely_ran(member)
        if not member.may_miss:
            return False
        if site.facts is None:
            return True
        if member.name in site.facts.ran:
            return False
        for clause in member.tree.clauses:
            if clause.__class__ is ast.ContinueOnFailure:
                return True
        return not site.facts.conditions.issuperset(member.conditions)

    def _surely_ran(self, member: Member) -> bool:
        facts = self.site.facts
        return facts is not None and member.name in facts.ran

    # -- parts of a value ----------------------------------------------------------------------

    def _within(
        self, get: Get, type_: Type | None, labels: int, path: ast.Path, start: int
    ) -> Typed:
        if start < len(path.parts):
            type_ = self._type_within(type_, path, start)
        return get, type_, labels

    def _type_within(self, type_: Type | None, path: ast.Path, start: int) -> Type | None:
        """The type of the part of a value that the path names from `start` on."""
        missing = False
        for index in range(start, len(path.parts)):
            if type_ is None:
                return None
            part = path.parts[index]
            if isinstance(type_, Optional):
                missing, type_ = True, type_.item
            match type_:
                case Record(fields):
                    found = next((t for n, t in fields if n == part), None)
                    if found is None:
                        names = [name for name, _ in fields]
                        self.mistakes.no_output(path, index, f"`{show_type(type_)}`", names)
                        return None
                    type_ = found
                case Map(item):
                    missing, type_ = True, item
                case List(item) if isinstance(part, int):
                    missing, type_ = True, item
                case _ if type_ == ANY:
                    missing = True
                case _:
                    self.mistakes.no_output(path, index, f"a `{show_type(type_)}`", [])
                    return None
        if type_ is None:
            return None
        return Optional(_present(type_)) if missing else type_


def _present(type_: Type) -> Type:
    return type_.item if isinstance(type_, Optional) else type_
