"""The admin API of a server, as a test's own hands: the official clients know nothing of it."""

import http.client
import json

from server import Server


class Admin:
    """Asks the admin API of `server`."""

    def __init__(self, server: Server):
        self.address, self.key = server.ready["admin"], server.ready["adminKey"]

    def ask(self, method: str, path: str, body: object = None) -> dict | bytes | None:
        """What the API answers: JSON, bytes, or nothing."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body)
        connection = http.client.HTTPConnection(self.address)
        connection.request(method, f"/admin/{path}", raw, {"Authorization": f"Bearer {self.key}"})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status < 300, f"{method} /admin/{path}: {answer.status} {content.decode(errors='replace')}"
        if answer.headers.get_content_type() != "application/json":
            return content or None
        return json.loads(content)

    def advance(self, period: str) -> int:
        """Moves the vault clock; answers how many things fell due and were done."""
        return self.ask("POST", "clock", {"advance": period})["ran"]

    def faults(self, *rules: dict) -> None:
        self.ask("PUT", "faults", {"seed": 1, "rules": list(rules)})

    def hits(self) -> list[int]:
        """How often each rule acted."""
        return [rule["hits"] for rule in self.ask("GET", "faults")["rules"]]
