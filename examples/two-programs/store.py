"""A data store on the premises, for this example alone: it answers who has its password, and has been given that of its database.

    python3 store.py ADDRESS-FILE

It takes a free port of loopback, and writes its URL into the file.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

AUTHORIZATION = "Basic " + base64.b64encode(b"premises:correct horse").decode()


class Store(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = body["linkedServices"][0]["properties"]["typeProperties"]["connectionString"]
        if self.headers["Authorization"] != AUTHORIZATION or "Password=battery staple" not in given:
            return self.answer(401, {"error": "unauthorized"})
        self.answer(200, {"orders": 3, "since": body["since"]})

    def answer(self, status: int, body: dict) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_) -> None:
        pass


store = HTTPServer(("127.0.0.1", 0), Store)
file = Path(sys.argv[1])
file.with_suffix(".new").write_text(f"http://127.0.0.1:{store.server_port}")
file.with_suffix(".new").rename(file)
store.serve_forever()
