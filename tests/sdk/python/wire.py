"""What the clients really sent and got: every exchange of the test process, below the Azure SDK.

No answer may hold a private member of a key. That is checked here, on the raw answers of the whole run, whatever a test
is about and whatever the SDK makes of them. What the exchanges held that is secret is kept, to be searched for in logs.
"""

import json
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from secrecy import PRIVATE_MEMBERS, Secrecy


@dataclass
class Exchange:
    method: str
    path: str
    status: int
    content: bytes
    request_id: str | None


@dataclass
class Wire:
    exchanges: list[Exchange] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    secrecy: Secrecy = field(default_factory=Secrecy)

    def attach(self, monkeypatch) -> None:
        send = requests.Session.send

        def recorded(session, request, **options):
            response = send(session, request, **options)
            self._record(request, response)
            return response

        monkeypatch.setattr(requests.Session, "send", recorded)

    def since(self, mark: int) -> list[Exchange]:
        """The exchanges after the first `mark`; take the mark with `len(wire.exchanges)`."""
        return self.exchanges[mark:]

    def _record(self, request, response) -> None:
        path = urlsplit(request.url).path
        id = response.headers.get("x-ms-request-id")
        self.exchanges.append(Exchange(request.method, path, response.status_code, response.content, id))
        self.secrecy.note(request, path, response.content)
        if not response.content:
            return
        content = json.loads(response.content)  # every answer of every door is JSON
        found = PRIVATE_MEMBERS.intersection(members(content))
        if found:
            self.leaks.append(f"{request.method} {path} answered {sorted(found)}")
            raise AssertionError(self.leaks[-1])


def members(content):
    """The names of every member of every object in `content`, however deep."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield name
            yield from members(value)
    elif isinstance(content, list):
        for item in content:
            yield from members(item)
