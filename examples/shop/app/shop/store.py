"""What the shop keeps in its database: products, carts, orders."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from shop import migrate


class EmptyCart(Exception):
    """There is nothing to pay."""


class Line(NamedTuple):
    name: str
    quantity: int
    price_cents: int


class Store:
    def __init__(self, file: str | Path) -> None:
        self._db = sqlite3.connect(file, timeout=5)

    def close(self) -> None:
        self._db.close()

    def schema(self) -> int:
        return migrate.version(self._db)

    def products(self) -> list[tuple[int, str, int]]:
        """Id, name and price of each."""
        return self._db.execute("SELECT id, name, price_cents FROM products ORDER BY id").fetchall()

    def add(self, cart: str, product: int) -> None:
        with self._db:
            self._db.execute(
                "INSERT INTO carts VALUES (?, ?, 1)"
                " ON CONFLICT DO UPDATE SET quantity = quantity + 1",
                (cart, product),
            )

    def cart(self, cart: str) -> list[Line]:
        rows = self._db.execute(
            "SELECT name, quantity, price_cents FROM carts JOIN products ON id = product"
            " WHERE cart = ? ORDER BY id",
            (cart,),
        )
        return [Line(*row) for row in rows]

    def checkout(self, cart: str) -> int:
        """The number of the order."""
        with self._db:
            total = sum(line.quantity * line.price_cents for line in self.cart(cart))
            if total == 0:
                raise EmptyCart
            order = self._db.execute("INSERT INTO orders (total_cents) VALUES (?)", (total,))
            self._db.execute("DELETE FROM carts WHERE cart = ?", (cart,))
        assert order.lastrowid is not None
        return order.lastrowid
