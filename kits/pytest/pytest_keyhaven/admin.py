"""A running server, asked through its admin API. It does not know how the server was found."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .error import KeyhavenError
from .vaults import Vaults, name_of, url_of

TIMEOUT = 60.0  # seconds, of one request


class Keyhaven:
    """A running server. `environment` has the variables that `keyhaven run` and `keyhaven env` set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        try:
            self._admin_url = environment["KEYHAVEN_ADMIN_URL"]
            self._admin_key = environment["KEYHAVEN_ADMIN_KEY"]
            # The others may be the user's own: KEYHAVEN_VAULT_URL is the server's.
            self._vaults = Vaults(self.admin, name_of(environment["KEYHAVEN_VAULT_URL"]))
        except KeyError as missing:
            raise KeyhavenError(f"the server has no admin API ({missing} is not set); start it without --admin-listen ''") from None

    @property
    def default_vault(self) -> str:
        """The name of the vault that the others are copies of."""
        return self._vaults.default

    @property
    def default_vault_url(self) -> str:
        """The vault that the others are copies of: what it holds when a test begins, the test's vault holds."""
        return url_of(self.default_vault)

    @contextmanager
    def vault(self, secrets: Mapping[str, str] | None = None, name: str | None = None) -> Iterator[str]:
        """The URL of a vault with `secrets` besides what the default one holds; it is deleted at the end. Until then VAULT_URL,
        AZURE_KEYVAULT_URL, KEYHAVEN_VAULT_URL and KEY_VAULT_NAME name the newest one.

        With a `name` it is the vault of that name, made anew: as the vault was when there was one at the start of the session, which
        is put back at the end, else a copy of the default one."""
        with self._vaults.made(secrets or {}, name) as url:
            yield url

    def note_vaults(self) -> None:
        """Remembers which vaults there are: one of them that a test names is put back after the test."""
        self._vaults.given()

    @contextmanager
    def default_vault_named(self, name: str) -> Iterator[None]:
        """The vault called `name` is the default one; it is a copy of the former one unless there is one of the name."""
        with self._vaults.default_named(name):
            yield

    def client_id(self, identity: str) -> str:
        """The client id of an identity."""
        identities = self.admin("GET", "/admin/identities")["identities"]
        ids = {known["name"]: str(known["clientId"]) for known in identities}
        if identity not in ids:
            raise KeyhavenError(f"no identity is called '{identity}'; there are {', '.join(ids)}")
        return ids[identity]

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
            raise KeyhavenError(f"{method} {path}: {text_of(error)}", error.code) from None
        except OSError as error:
            raise KeyhavenError(f"{method} {path}: no server answers at {self._admin_url} ({error})") from None


def text_of(error: urllib.error.HTTPError) -> str:
    """The text of a refusal; the status, where another program answered."""
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)
