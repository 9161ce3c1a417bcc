"""What the server refuses, told to people: codes RF960 to RF989 in one list.

As in the runner's `refusals`, this module owns a list, not behaviour.
"""

from __future__ import annotations

from rflow.runner.problems import Problem

BAD_CONFIG = Problem(
    "RF960",
    "the server's settings cannot be used",
    "`rflow-server.toml` says where the server listens and which git hosts it talks to.",
)
BAD_STORE = Problem(
    "RF961",
    "the server's own file cannot be used",
    "`server.db` in the state folder holds deliveries, tokens and subscriptions.",
)
SERVED_TWICE = Problem(
    "RF962",
    "two files hold a flow of one name",
    "A server serves each flow by its name; the file that comes first by its path is served.",
)
NOT_RESTORED = Problem(
    "RF963",
    "the files of a flow cannot be put back",
    "A rollback can make the flow of its target the current one; then its files are written.",
)
NOT_FOLLOWED = Problem(
    "RF964",
    "a repository cannot be followed",
    "`rflow serve URL` serves the flows in the newest commit of a branch.",
)
NO_TOKEN = Problem(
    "RF970",
    "there is no such token",
    "A token is named by its id, as `rflow token list` shows it.",
)
BAD_TOKEN = Problem(
    "RF971",
    "a token cannot be made so",
    "A token has a name of up to 100 printable characters, one of the roles view, run, approve "
    "and admin, and an end that is to come.",
)
UNKNOWN_CALLER = Problem(
    "RF972",
    "the server does not know who calls",
    "The server is called with a token that is known, not revoked and not past its end: "
    "`Authorization: Bearer TOKEN`. `rflow token create` makes one, `rflow login` keeps it.",
)
SMALL_ROLE = Problem(
    "RF973",
    "the role of the token is too small",
    "Who may view may not start runs, who may run may not approve, who may approve may not make "
    "tokens. Each role includes those before it: view, run, approve, admin.",
)
NO_FLOW = Problem(
    "RF974",
    "no such flow is served",
    "A server starts runs of the flows in its folder, by their names. A file with mistakes is "
    "refused, and its flows stay as they were before.",
)
OTHER_REQUEST = Problem(
    "RF975",
    "the key was used for another request",
    "An `Idempotency-Key` names one request: sent again, it finds the run that was started and "
    "starts no second one. Another request needs another key.",
)
STALE_LOOK = Problem(
    "RF976",
    "what was looked at has changed",
    "A decision says which question it answers (`round`). The gate was asked again since, with "
    "other values behind it.",
)
NOT_CONFIRMED = Problem(
    "RF977",
    "the rollback of a protected stage is not confirmed",
    "On a protected stage a rollback is confirmed by name: `confirm` holds the name under which "
    "it is done. Where the stage says `rollback by`, those people approve it instead.",
)
BAD_END = Problem(
    "RF978",
    "a freeze needs an end to come",
    "A freeze holds until a time, so that none is forgotten.",
)
NO_DELIVERY = Problem(
    "RF980",
    "there is no such delivery",
    "A delivery is named by its id, or by the beginning of it, as `rflow deliveries` lists it.",
)
NOT_REPLAYABLE = Problem(
    "RF981",
    "the delivery cannot be replayed",
    "Messages of git hosts and times of a cron trigger can be worked off again. A call of a "
    "webhook may hold secrets, which are not kept: send it again.",
)
NO_WEBHOOK = Problem(
    "RF982",
    "there is no such webhook",
    "A webhook is named by its id, as `rflow webhook list` shows it.",
)
BAD_WEBHOOK = Problem(
    "RF983",
    "a webhook cannot be made so",
    "A webhook starts a flow that declares a `webhook` trigger.",
)
NO_SUBSCRIPTION = Problem(
    "RF988",
    "there is no such subscription",
    "A subscription is named by its id, as `rflow subscriptions list` shows it.",
)
BAD_SUBSCRIPTION = Problem(
    "RF989",
    "this cannot be subscribed",
    "A subscription has the web address of a receiver, which is not of the local link, and the "
    "types of events that it wants.",
)

REFUSALS: tuple[Problem, ...] = (
    BAD_CONFIG,
    BAD_STORE,
    SERVED_TWICE,
    NOT_RESTORED,
    NOT_FOLLOWED,
    NO_TOKEN,
    BAD_TOKEN,
    UNKNOWN_CALLER,
    SMALL_ROLE,
    NO_FLOW,
    OTHER_REQUEST,
    STALE_LOOK,
    NOT_CONFIRMED,
    BAD_END,
    NO_DELIVERY,
    NOT_REPLAYABLE,
    NO_WEBHOOK,
    BAD_WEBHOOK,
    NO_SUBSCRIPTION,
    BAD_SUBSCRIPTION,
)
