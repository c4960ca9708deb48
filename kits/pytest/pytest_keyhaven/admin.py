"""A running server, asked through its admin API. It does not know how the server was found."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

TIMEOUT = 60.0  # seconds, of one request
SUFFIX = ".vault.azure.net"


class KeyhavenError(RuntimeError):
    """What the server refused, or why there is none, in its own words."""


class Keyhaven:
    """A running server. `environment` has the variables that `keyhaven run` and `keyhaven env` set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        try:
            self._admin_url = environment["KEYHAVEN_ADMIN_URL"]
            self._admin_key = environment["KEYHAVEN_ADMIN_KEY"]
            self.default_vault: str = environment["KEY_VAULT_NAME"]
        except KeyError as missing:
            raise KeyhavenError(f"the server has no admin API ({missing} is not set); start it without --admin-listen ''") from None

    @property
    def default_vault_url(self) -> str:
        """The vault that the others are copies of: what it holds when a test begins, the test's vault holds."""
        return url_of(self.default_vault)

    @contextmanager
    def vault(self, secrets: Mapping[str, str] | None = None) -> Iterator[str]:
        """The URL of a new vault, which is deleted at the end: a copy of the default one, with `secrets` besides."""
        name = f"t-{uuid.uuid4().hex[:20]}"
        seeds = [{"name": secret, "value": value} for secret, value in (secrets or {}).items()]
        self.admin("PUT", f"/admin/vaults/{name}", {"copyOf": self.default_vault, "secrets": seeds})
        try:
            yield url_of(name)
        finally:
            self.admin("DELETE", f"/admin/vaults/{name}")

    def admin(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request to the admin API. Answers the JSON of the answer; raises KeyhavenError with the server's text."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._admin_key}"}
        request = urllib.request.Request(self._admin_url + path, data, headers, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=TIMEOUT) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise KeyhavenError(f"{method} {path}: {text_of(error)}") from None
        except OSError as error:
            raise KeyhavenError(f"{method} {path}: no server answers at {self._admin_url} ({error})") from None


class Clock:
    """The clock that vaults live by. Tokens follow the machine's clock, so a client stays signed in."""

    def __init__(self, keyhaven: Keyhaven) -> None:
        self._keyhaven = keyhaven

    @property
    def now(self) -> str:
        """The present moment (RFC 3339)."""
        return str(self._keyhaven.admin("GET", "/admin/clock")["now"])

    def advance(self, period: str) -> str:
        """Moves on by an ISO 8601 period such as P90D; what falls due is done when this returns. Answers the new moment."""
        return self._move(advance=period)

    def set(self, moment: str) -> str:
        """Moves on to a moment (RFC 3339)."""
        return self._move(set=moment)

    def freeze(self) -> str:
        """Stops the clock."""
        return self._move(freeze=True)

    def run(self) -> str:
        """Lets the clock run again."""
        return self._move(run=True)

    def _move(self, **how: Any) -> str:
        return str(self._keyhaven.admin("POST", "/admin/clock", how)["now"])


def url_of(vault: str) -> str:
    """The URL of a vault, as production has it."""
    return f"https://{vault}{SUFFIX}"


def text_of(error: urllib.error.HTTPError) -> str:
    """The text of a refusal; the status, where another program answered."""
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)
