"""What is refused to the user of a runner, told to people: codes RF930 to RF959.

As in `problems`, this module owns a list, not behaviour. A refusal is given before anything was
written: nothing has changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from rflow.runner.problems import Problem, StateError

NO_RUN = Problem(
    "RF930",
    "there is no such run",
    "A run is named by its id, by the beginning of its id, by its name, or as `last`.",
)
AMBIGUOUS_RUN = Problem(
    "RF931",
    "several runs are meant",
    "A name is that of several runs, or an id of several runs begins so. Give more of the id.",
)
ENDED = Problem(
    "RF932",
    "the run has ended",
    "What was asked can only be done to a run that is going on. `rflow retry` goes on with a run "
    "that failed; `rflow rerun` starts a new one with the same plan and arguments.",
)
NOTHING_ASKED = Problem(
    "RF933",
    "nothing waits for this decision",
    "A decision answers a gate that is waiting now. `rflow show RUN` shows what the run waits for.",
)
NOT_COUNTED = Problem(
    "RF934",
    "the decision does not count",
    "A gate says who may decide. Nobody approves a run they started unless the gate says `self`, "
    "and nobody decides twice.",
)
FORBIDDEN = Problem(
    "RF935",
    "the flow is running already",
    "The flow says `concurrency forbid`: a second run is refused while one is going on.",
)
BAD_ARG = Problem(
    "RF936",
    "an argument is missing, unknown or wrong",
    "The arguments of a run are those its flow declares, and text is read by the declared type: "
    "nothing is coerced. An argument without default that is not optional must be given.",
)
BAD_OVERRIDE = Problem(
    "RF937",
    "an override does not fit",
    "`--set NODE.INPUT=VALUE` replaces an input of a node for one run. The node must exist, its "
    "kind must have the input, and the value must have its type.",
)
BAD_TRIGGER = Problem(
    "RF938",
    "a trigger has no such value, or lacks one",
    "`--trigger NAME.FIELD=VALUE` gives what a trigger puts out. A git trigger that did not fire "
    "takes the head of its first literal branch; where that cannot be found out, and the flow "
    "reads it, it must be given.",
)
NO_SECRET = Problem(
    "RF939",
    "a secret is missing",
    "All secrets are asked for before any node runs, so that a run never stops half-way for the "
    "lack of one.",
)
BUSY = Problem(
    "RF940",
    "another process acts for the run",
    "Two processes never act for one run. Approvals, cancellations and the like reach the process "
    "that does.",
)
NOTHING_TO_RETRY = Problem(
    "RF941",
    "there is nothing to run again",
    "`rflow retry` starts again from the nodes that failed, or from one that is named.",
)
NO_NODE = Problem(
    "RF942",
    "there is no such node",
    "A node is named as `rflow show RUN` lists it: `web`, `web[eu]`, `check.ping`.",
)
BAD_LOOP = Problem(
    "RF943",
    "a loop cannot be expanded",
    "`each` ranges over a list of scalars that differ and that is known when the run starts.",
)
NOT_DOUBTED = Problem(
    "RF944",
    "nobody needs to say what the node did",
    "`--redo`, `--done` and `--fail` answer for an attempt that was cut off and of which nobody "
    "can tell what it did. This node has none.",
)
NO_KIND = Problem(
    "RF945",
    "a kind of the plan is not installed",
    "The plan names the kinds it uses with their plugins. A run starts, and goes on, only where "
    "all of them are there.",
)
NO_VALUE = Problem(
    "RF946",
    "an expression has no value",
    "What can be worked out before the run starts is worked out then; this could not be.",
)

QUARANTINED = Problem(
    "RF947",
    "what is to be released is in quarantine",
    "A rollback took this artifact or commit away from the stage. Nothing brings it back there "
    "until somebody says why it may: `rflow release lift RUN --reason …`.",
)
NO_TARGET = Problem(
    "RF948",
    "the run cannot be gone back to",
    "A stage goes back to a release: a run for that stage that has ended well and whose artifacts "
    "are still in the store. `rflow releases` lists them and says why others are not.",
)
NOT_ACKNOWLEDGED = Problem(
    "RF949",
    "something is crossed that nobody has acknowledged",
    "Between the release and now something was done that a rollback does not take back and that "
    "nothing can undo. `--acknowledge NODE` says that you know.",
)
STAGE_BUSY = Problem(
    "RF950",
    "a run is going on on the stage",
    "A rollback does not start beside a run that changes the same stage. `--cancel-running` ends "
    "that run first.",
)
NO_STAGE = Problem(
    "RF951",
    "there is no such stage",
    "A stage is named as `pipeline.stage`, or by its own name where that is clear. It is known "
    "once a run was created for it.",
)
NOT_HELD = Problem(
    "RF952",
    "nothing holds it",
    "`rflow pass` lets a node through that waits for a freeze or a window; `rflow thaw` ends a "
    "freeze; `rflow release lift` ends a quarantine. Here there is none.",
)

RESERVED_NAME = Problem(
    "RF953",
    "a run cannot have this name",
    "`last` means the newest run wherever a run is named; a run that is called so could not be "
    "named.",
)

REFUSALS: tuple[Problem, ...] = (
    NO_RUN,
    AMBIGUOUS_RUN,
    ENDED,
    NOTHING_ASKED,
    NOT_COUNTED,
    FORBIDDEN,
    BAD_ARG,
    BAD_OVERRIDE,
    BAD_TRIGGER,
    NO_SECRET,
    BUSY,
    NOTHING_TO_RETRY,
    NO_NODE,
    BAD_LOOP,
    NOT_DOUBTED,
    NO_KIND,
    NO_VALUE,
    QUARANTINED,
    NO_TARGET,
    NOT_ACKNOWLEDGED,
    STAGE_BUSY,
    NO_STAGE,
    NOT_HELD,
    RESERVED_NAME,
)


class Refused(StateError):
    """Several things at once are refused; `problems` are all of them, the first is the error."""

    def __init__(self, problems: Iterable[StateError]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.problem, first.message, first.help)


def after_end(run: str, status: str) -> str:
    """What can be done with a run that has ended."""
    anew = f"`rflow rerun {run}` starts one like it"
    return anew if status == "success" else f"`rflow retry {run}` goes on from what failed; {anew}"
