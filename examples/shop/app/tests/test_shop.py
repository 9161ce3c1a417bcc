import io
import json
import tempfile
import unittest
from pathlib import Path

from shop.migrate import migrate, newest
from shop.web import VERSION, application


class ShopCase(unittest.TestCase):
    """Calls the application as a server would, with a database of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.database = Path(folder.name) / "shop.db"
        self.application = application(self.database)
        self.cookie = ""

    def call(self, method: str, path: str, form: str = "") -> tuple[int, str]:
        status = []

        def start_response(line: str, headers: list[tuple[str, str]]) -> None:
            status.append(int(line.split()[0]))
            self.cookie = dict(headers)["Set-Cookie"].split(";")[0]

        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(form)),
            "HTTP_COOKIE": self.cookie,
            "wsgi.input": io.BytesIO(form.encode()),
        }
        body = b"".join(self.application(environ, start_response))
        return status[0], body.decode()


class Shopping(ShopCase):
    def setUp(self) -> None:
        super().setUp()
        migrate(self.database)

    def test_products_are_listed(self) -> None:
        self.assertIn("Teapot", self.call("GET", "/")[1])

    def test_what_is_in_the_cart_can_be_paid_once(self) -> None:
        self.call("POST", "/cart", "product=1")
        self.assertIn("2 × Teapot: 58.00", self.call("POST", "/cart", "product=1")[1])
        self.assertIn("number 1", self.call("POST", "/checkout")[1])
        self.assertEqual(self.call("POST", "/checkout")[0], 409)

    def test_an_unknown_page_is_said_to_be_unknown(self) -> None:
        self.assertEqual(self.call("GET", "/nowhere")[0], 404)


class Health(ShopCase):
    def test_it_is_well_on_its_own_schema(self) -> None:
        migrate(self.database)
        status, body = self.call("GET", "/health")
        self.assertEqual((status, json.loads(body)["version"]), (200, VERSION))
        self.assertEqual(json.loads(body)["schema"], newest())

    def test_it_is_not_well_without_its_schema(self) -> None:
        self.assertEqual(self.call("GET", "/health")[0], 503)


class Migrations(ShopCase):
    def test_migrating_again_does_nothing(self) -> None:
        self.assertNotEqual(migrate(self.database), [])
        self.assertEqual(migrate(self.database), [])


if __name__ == "__main__":
    unittest.main()
