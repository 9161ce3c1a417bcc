"""Who a request comes from, and whether they may: a bearer token, or the pages' session.

Every route says the role that it needs with `View`, `Run`, `Approve` or `Admin`; a test fails on
one that says none. The API knows no cookies; where the pages have sessions, they say who a
session's is by `app.state.session`, and see to it that a request which changes something comes
from a page of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from rflow.server import tokens
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.refusals import SMALL_ROLE, UNKNOWN_CALLER
from rflow.server.tokens import Principal, Role, includes

Session = Callable[[Request], Principal | None]
"""Who a request's session belongs to; raises `Answer` for one that does not come from a page."""

BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of `rflow token create`."
)
_ASKS = {"WWW-Authenticate": 'Bearer realm="rflow"'}


class Needs:
    """The dependency of a route that asks for a role; yields who it is."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    def __call__(
        self,
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    ) -> Principal:
        """Who it is. Answer 401 where that is not known, 403 where the role is too small."""
        found = _principal(request, given)
        if not includes(found.role, self.role):
            raise Answer(
                403,
                f"this needs the role `{self.role}`; {found.name} has the role `{found.role}`",
                help=f"ask an admin for a token with the role `{self.role}`",
                code=SMALL_ROLE.id,
            )
        return found


def _principal(request: Request, given: HTTPAuthorizationCredentials | None) -> Principal:
    server = of(request)
    address = request.client.host if request.client is not None else ""
    if given is not None:
        token = tokens.valid(server.store, given.credentials)
        if token is not None:
            return Principal(token.name, token.role, token.id, address)
    elif "authorization" not in request.headers:
        session: Session | None = getattr(request.app.state, "session", None)
        known = session(request) if session is not None else None
        if known is not None:
            return known
        if server.config.anonymous == "view":
            return Principal("anonymous", "view", "", address)
        raise Answer(
            401,
            "a token is needed",
            help="send `Authorization: Bearer TOKEN`; `rflow token create NAME` makes one",
            code=UNKNOWN_CALLER.id,
            headers=_ASKS,
        )
    raise Answer(
        401,
        "the token is not valid",
        detail="it is unknown, revoked or past its end",
        help="ask an admin for another one",
        code=UNKNOWN_CALLER.id,
        headers=_ASKS,
    )


View = Annotated[Principal, Depends(Needs("view"))]
Run = Annotated[Principal, Depends(Needs("run"))]
Approve = Annotated[Principal, Depends(Needs("approve"))]
Admin = Annotated[Principal, Depends(Needs("admin"))]
