"""Who may do what: every route of the application, with a token of every role and with none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from rflow.server import tokens
from rflow.server.access import Needs
from rflow.server.app import create_app
from rflow.server.config import Config
from rflow.server.core import Server
from rflow.server.tokens import ROLES, Role, includes

from .api import HELLO, Api, contents
from .conftest import Place

RULES: dict[str, Role] = {
    "POST /runs": "run",
    "PATCH /runs/{run}": "run",
    "POST /runs/{run}/answers": "run",
    "POST /runs/{run}/cancel": "run",
    "POST /runs/{run}/decisions": "approve",
    "POST /runs/{run}/lift": "approve",
    "POST /runs/{run}/pass": "approve",
    "POST /runs/{run}/rerun": "run",
    "POST /runs/{run}/resume": "run",
    "POST /runs/{run}/retry": "run",
    "POST /runs/{run}/retry/preview": "view",
    "POST /runs/{run}/rollback": "approve",
    "POST /runs/{run}/undo": "approve",
    "PUT /stages/{stage}/freeze": "approve",
    "DELETE /stages/{stage}/freeze": "approve",
    "POST /check": "run",
    "PUT /flows/{flow}/pause": "run",
    "DELETE /flows/{flow}/pause": "run",
    "PUT /flows/{flow}/args/{name}": "admin",
    "DELETE /flows/{flow}/args/{name}": "admin",
    "GET /tokens": "admin",
    "POST /tokens": "admin",
    "DELETE /tokens/{id}": "admin",
    "POST /tokens/{id}/rotate": "admin",
    "GET /audit": "admin",
    "GET /gc": "admin",
    "POST /gc": "admin",
    "POST /deliveries/{id}/replay": "run",
}
"""What needs more than to read; all else that is read needs `view`."""
ALL_OF: dict[str, Role] = {"/subscriptions": "admin", "/webhooks": "admin"}
"""What is changed under these."""
PREFIX = "/api/v1"


def rule_of(name: str) -> Role | None:
    """The role that a route should ask for; None for one that nobody thought of."""
    method, path = name.split(" ")
    if name in RULES or method == "GET":
        return RULES.get(name, "view")
    return next((role for prefix, role in ALL_OF.items() if path.startswith(prefix)), None)


def routes(router: Any) -> Iterator[APIRoute]:
    """The routes of an application, those of included routers among them."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        elif isinstance(route, APIRoute):
            yield route


def role_of(route: APIRoute) -> Role | None:
    """The role that a route asks for, None if it asks for none."""
    found = [d.call.role for d in route.dependant.dependencies if isinstance(d.call, Needs)]
    assert len(found) <= 1, route.path
    return found[0] if found else None


def of_api(router: Any) -> list[tuple[str, APIRoute]]:
    return [
        (f"{method} {route.path.removeprefix(PREFIX)}", route)
        for route in routes(router)
        if route.path.startswith(PREFIX)
        for method in sorted(route.methods)
    ]


def test_every_route_of_the_api_asks_for_a_role(place: Place) -> None:
    server = place.open()
    try:
        found = {name: role_of(route) for name, route in of_api(create_app(server))}
    finally:
        server.close()
    assert len(found) > 40
    expected = {name: rule_of(name) for name in found}
    assert found == expected, "a route that changes something needs a line in RULES"
    assert not RULES.keys() - found.keys()


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("hello.rflow", HELLO)
    found = Api(*listening())
    yield found
    found.close()


def test_every_route_with_every_role(api: Api) -> None:
    wrong = []
    for name, route in of_api(create_app(api.server)):
        needed = role_of(route)
        assert needed is not None
        method, path = name.split(" ")
        path = re.sub(r"\{[^}]*\}", "zzzzzzzz", path)
        for role in (None, *ROLES):
            with api(role).stream(method, path) as answer:
                status = answer.status_code
            if role is None:
                right = status == 401
            elif not includes(role, needed):
                right = status == 403
            else:
                right = status not in (401, 403) and status < 500
            if not right:
                wrong.append((name, role, status))
    assert wrong == []


def test_what_is_refused_for_a_role_changes_nothing(api: Api) -> None:
    refused = api("view").post("/runs", json={"flow": "hello"})
    assert refused.status_code == 403
    assert refused.json()["code"] == "RF973"
    assert api("view").get("/runs").json()["items"] == []
    assert api().get("/audit").json()["items"] == []


def test_without_a_token_where_all_may_look(
    place: Place, listening: Callable[..., tuple[Server, str]]
) -> None:
    place.write("hello.rflow", HELLO)
    api = Api(*listening(Config(anonymous="view")))
    assert api(None).get("/me").json()["name"] == "anonymous"
    assert api(None).get("/runs").status_code == 200
    assert api(None).post("/runs", json={"flow": "hello"}).status_code == 403
    assert api(None).get("/tokens").status_code == 403
    wrong = {"Authorization": "Bearer rflow_aaaaaaaaaa_" + "x" * 43}
    assert api(None).get("/runs", headers=wrong).status_code == 401
    api.close()


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Basic YTpi",
        "Bearer x",
        "Bearer rflow_zzzzzzzzzz_" + "A" * 43,
        "Bearer " + "x" * 10_000,
        "bearer \xff",
    ],
)
def test_what_is_no_token_is_refused(api: Api, given: str) -> None:
    answer = api(None).get("/me", headers={"Authorization": given.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["code"] == "RF972"


def test_a_token_ends_when_it_is_revoked_or_rotated(api: Api) -> None:
    made = api().post("/tokens", json={"name": "ci", "role": "run"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    id, secret = made.json()["token"]["id"], made.json()["secret"]
    headers = {"Authorization": f"Bearer {secret}"}
    assert api(None).get("/me", headers=headers).json()["name"] == "ci"
    rotated = api().post(f"/tokens/{id}/rotate").json()["secret"]
    assert api(None).get("/me", headers=headers).status_code == 401
    headers = {"Authorization": f"Bearer {rotated}"}
    assert api(None).get("/me", headers=headers).status_code == 200
    assert api().delete(f"/tokens/{id}").json()["revoked_at"]
    assert api(None).get("/me", headers=headers).status_code == 401
    assert api().post(f"/tokens/{id}/rotate").status_code == 422
    listed = api().get("/tokens").text
    assert secret not in listed
    assert rotated not in listed


def test_no_secret_of_a_token_is_in_a_file(api: Api, place: Place) -> None:
    secret = api().post("/tokens", json={"name": "ci", "role": "run"}).json()["secret"]
    api("run").put("/flows/hello/pause", json={"reason": "x"})
    for path, data in contents(place.state):
        for known in (secret, *api.secrets.values()):
            assert known.encode() not in data, path
            assert known.split("_", 2)[2].encode() not in data, path


def test_a_sign_in_code_is_good_once(place: Place) -> None:
    server = place.open()
    try:
        assert not tokens.any_stands(server.store)
        code = tokens.sign_in_code(server.store, "dev@example.com")
        assert tokens.redeem(server.store, code[:-1]) is None
        made = tokens.redeem(server.store, code)
        assert made is not None
        assert (made.token.name, made.token.role) == ("dev@example.com", "admin")
        assert tokens.redeem(server.store, code) is None
        assert tokens.valid(server.store, made.secret) == made.token
        assert tokens.standing(server.store, made.token.id) is not None
        assert not tokens.any_stands(server.store)
    finally:
        server.close()
