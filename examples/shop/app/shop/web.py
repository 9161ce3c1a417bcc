"""The shop as a WSGI application, and its health."""

import json
import secrets
from collections.abc import Callable, Iterable
from contextlib import closing
from html import escape
from http import HTTPStatus
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from shop import migrate
from shop.store import EmptyCart, Store

VERSION = (Path(__file__).parents[1] / "VERSION").read_text(encoding="utf-8").strip()

Answer = tuple[HTTPStatus, str, str]


def health(store: Store) -> Answer:
    """Well is who runs on a schema at least as new as the one this release was written for."""
    schema, needed = store.schema(), migrate.newest()
    body = {"version": VERSION, "schema": schema, "status": "ok"}
    if schema < needed:
        body["status"] = f"the schema is {schema}, this release needs {needed}"
        return HTTPStatus.SERVICE_UNAVAILABLE, "application/json", json.dumps(body)
    return HTTPStatus.OK, "application/json", json.dumps(body)


def money(cents: int) -> str:
    return f"{cents / 100:.2f}"


def page(title: str, body: str) -> Answer:
    html = f"<!doctype html><title>{title}</title><h1>{title}</h1>\n{body}\n<p>Shop v{VERSION}\n"
    return HTTPStatus.OK, "text/html; charset=utf-8", html


def products(store: Store) -> Answer:
    items = "\n".join(
        f'<li>{escape(name)}: {money(price)} <form method="post" action="/cart">'
        f'<button name="product" value="{id}">Add</button></form>'
        for id, name, price in store.products()
    )
    return page("Products", f"<ul>\n{items}\n</ul>")


def cart(store: Store, key: str) -> Answer:
    lines = "\n".join(
        f"<li>{line.quantity} × {escape(line.name)}: {money(line.quantity * line.price_cents)}"
        for line in store.cart(key)
    )
    pay = '<form method="post" action="/checkout"><button>Pay</button></form>'
    return page("Your cart", f"<ul>\n{lines}\n</ul>{pay}")


def checkout(store: Store, key: str) -> Answer:
    try:
        return page("Thank you", f"<p>Your order is number {store.checkout(key)}.")
    except EmptyCart:
        return HTTPStatus.CONFLICT, "text/plain", "Your cart is empty.\n"


def answer(store: Store, method: str, path: str, form: dict[str, list[str]], key: str) -> Answer:
    match method, path:
        case "GET", "/":
            return products(store)
        case "GET", "/cart":
            return cart(store, key)
        case "POST", "/cart":
            store.add(key, int(form["product"][0]))
            return cart(store, key)
        case "POST", "/checkout":
            return checkout(store, key)
        case "GET", "/health":
            return health(store)
    return HTTPStatus.NOT_FOUND, "text/plain", "There is no such page.\n"


def application(database: str | Path) -> Callable[..., Iterable[bytes]]:
    def respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        form = parse_qs(environ["wsgi.input"].read(length).decode())
        cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("cart")
        key = cookie.value if cookie else secrets.token_urlsafe(12)
        with closing(Store(database)) as store:
            status, kind, text = answer(
                store, environ["REQUEST_METHOD"], environ["PATH_INFO"], form, key
            )
        body = text.encode()
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Set-Cookie", f"cart={key}; HttpOnly; SameSite=Lax; Path=/"),
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return respond
