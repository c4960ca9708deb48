"""What scripts/node-tour is made with: the page, processes, a data store, and the search for a text."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.path.abspath(os.environ.get("KEYHAVEN_BIN", ROOT / "target/debug/keyhaven"))
ENVIRONMENT = {name: value for name, value in os.environ.items() if not re.match("(KEYHAVEN|AZURE|SSL_CERT)_|.*_proxy$", name, re.I)}


class Page:
    """What was seen, with what differs from run to run replaced."""

    def __init__(self):
        self.lines: list[str] = []
        self.seen: list[str] = []  # as it was, for the search
        self.names: dict[str, str] = {}
        self.ids = 0

    def name(self, text: str, written: str) -> None:
        """From now on `text` is written so."""
        self.names[text] = written

    def title(self, text: str) -> None:
        self.lines += ["", f"## {text}"]

    def say(self, text: str) -> None:
        self.lines += text.split("\n")

    def block(self, *texts: str) -> None:
        self.seen += texts
        steady = [self.steady(text) for text in texts]
        self.lines += ["```text", *"\n".join(steady).split("\n"), "```"]

    def steady(self, text: str) -> str:
        for known in sorted(self.names, key=len, reverse=True):
            text = text.replace(known, self.names[known])
        text = re.sub(r"ew0K[A-Za-z0-9+/]+=*", self._reference, text)
        # Random ids alone: those that follow from names are the same each time.
        text = re.sub(r"(?<![0-9a-f-])[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9a-f-])", self._id, text)
        text = re.sub(r"127\.0\.0\.1:\d+/HostService", "127.0.0.1:8060/HostService", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
        return re.sub(r"\b[0-9A-F]{64}\b", "THUMBPRINT", text)

    def _id(self, found: re.Match) -> str:
        text = found.group()
        if text.startswith("6b9e7c1a-"):
            return text
        if text not in self.names:
            self.ids += 1
            self.names[text] = f"00000000-0000-0000-0000-{self.ids:012}"
        return self.names[text]

    def _reference(self, found: re.Match) -> str:
        """A reference to a credential stays one."""
        return base64.b64encode(self.steady(base64.b64decode(found.group()).decode()).encode()).decode()


class Process:
    """A process of the tour, with its log."""

    def __init__(self, home: pathlib.Path, name: str, arguments: list[str], own: dict[str, str]):
        self.log = home / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, *arguments], env=ENVIRONMENT | own, cwd=home, stdout=log, stderr=log)

    def arguments(self) -> str:
        """As any other user of the machine sees them."""
        return pathlib.Path(f"/proc/{self.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    def end(self, kill: bool = False) -> None:
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(timeout=20)

    def lines(self) -> list[str]:
        """What the log says, without times and targets."""
        return [re.sub(r"^\S+Z +(INFO|WARN|ERROR) ", r"\1 ", line) for line in self.log.read_text().splitlines()]


def until(what: str, look):
    deadline = time.monotonic() + 60
    while not (found := look()):
        if time.monotonic() > deadline:
            sys.exit(f"scripts/node-tour: {what}: not in time")
        time.sleep(0.1)
    return found


class Store:
    """A data store on the premises: it answers who brings both passwords, and remembers what it was given."""

    def __init__(self, user: str, password: str, part: str):
        store, self.given = self, []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                store.given += [self.headers["Authorization"] or "", text]
                expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
                is_right = self.headers["Authorization"] == expected and part in text
                answer = json.dumps({"rows": 3} if is_right else {"error": "unauthorized"}).encode()
                self.send_response_only(200 if is_right else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


def holds(text: bytes, secret: str) -> bool:
    plain = secret.encode()
    # In base64 it looks in one of three ways, by where it begins; the ends depend on what is beside it.
    encoded = [base64.b64encode(b"x" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)]
    return any(form in text for form in (plain, plain.hex().encode(), secret.encode("utf-16-le"), *encoded))
