"""Serves the shop: `python3 -m shop.serve DATABASE PORT`."""

import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from shop.web import VERSION, application


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    database, port = sys.argv[1], int(sys.argv[2])
    with make_server("127.0.0.1", port, application(database), server_class=Server) as server:
        print(f"shop v{VERSION} listens on port {port}", flush=True)
        if ready := os.environ.get("READY_FILE"):
            Path(ready).touch()  # for whoever supervises it
        server.serve_forever()
