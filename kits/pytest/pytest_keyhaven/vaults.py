"""Vaults of tests: new ones, and those of a name that the code under test has. The environment names the newest."""

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from .error import KeyhavenError

SUFFIX = ".vault.azure.net"
# The variables that programs find their vault by, besides KEY_VAULT_NAME.
URL_VARIABLES = ("KEYHAVEN_VAULT_URL", "AZURE_KEYVAULT_URL", "VAULT_URL")
NAME_VARIABLE = "KEY_VAULT_NAME"


class Admin(Protocol):
    """One request to the admin API."""

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any: ...


class Vaults:
    """The vaults that tests have on a server, all of which begin as the `default` one."""

    def __init__(self, admin: Admin, default: str) -> None:
        self._admin = admin
        self.default = default
        self._given: set[str] | None = None
        self._newest: list[str] = []
        self._before: dict[str, str | None] = {}

    @contextmanager
    def made(self, secrets: Mapping[str, str], name: str | None) -> Iterator[str]:
        """The URL of a vault until it is deleted, which the environment names meanwhile."""
        seeds = [{"name": secret, "value": value} for secret, value in secrets.items()]
        made = self._named(name.lower(), seeds) if name else self._new(seeds)
        with made as called, self._in_environment(called):
            yield url_of(called)

    @contextmanager
    def default_named(self, name: str) -> Iterator[None]:
        """Until the end the default vault has this name."""
        name, former = name.lower(), self.default
        is_new = name not in self.given()
        if is_new:
            self._admin("PUT", f"/admin/vaults/{name}", {"copyOf": former})
        self.default = name
        try:
            with self._in_environment(name):
                yield
        finally:
            self.default = former
            if is_new:
                self._delete(name)

    def given(self) -> set[str]:
        """The names of the vaults that were there before any test."""
        if self._given is None:
            self._given = {vault["name"] for vault in self._admin("GET", "/admin/vaults")["vaults"]}
            if self.default not in self._given:  # It would be made on demand, and can only be copied when it is there.
                self._admin("PUT", f"/admin/vaults/{self.default}", {})
                self._given.add(self.default)
        return self._given

    @contextmanager
    def _new(self, seeds: list[dict[str, str]]) -> Iterator[str]:
        name = f"t-{uuid.uuid4().hex[:20]}"
        self._admin("PUT", f"/admin/vaults/{name}", {"copyOf": self.default, "secrets": seeds})
        try:
            yield name
        finally:
            self._delete(name)

    @contextmanager
    def _named(self, name: str, seeds: list[dict[str, str]]) -> Iterator[str]:
        is_given = name == self.default or name in self.given()
        kept = f"t-{hashlib.sha256(name.encode()).hexdigest()[:20]}"
        as_it_was = self._keep(name if is_given else self.default, name, kept)
        try:
            self._replace(name, {**as_it_was, "secrets": seeds})
            yield name
        finally:
            if is_given:
                self._replace(name, as_it_was)
            else:
                self._delete(name)
            self._delete(kept)

    def _keep(self, source: str, name: str, kept: str) -> dict[str, Any]:
        """Copies `source`, and answers what the vault called `name` is made from. Only one at a time can hold the copy."""
        try:
            self._admin("PUT", f"/admin/vaults/{kept}", {"copyOf": source})
        except KeyhavenError as error:
            raise KeyhavenError(in_use(name, kept)) if error.status == 409 else error from None
        aliases = self._admin("GET", f"/admin/vaults/{source}")["aliases"] if source == name else []
        return {"copyOf": kept, "aliases": aliases}

    def _replace(self, name: str, entry: Mapping[str, Any]) -> None:
        self._delete(name)
        self._admin("PUT", f"/admin/vaults/{name}", entry)

    def _delete(self, name: str) -> None:
        """Deletes a vault, unless the test has done so."""
        try:
            self._admin("DELETE", f"/admin/vaults/{name}")
        except KeyhavenError as error:
            if error.status != 404:
                raise

    @contextmanager
    def _in_environment(self, name: str) -> Iterator[None]:
        if not self._newest:
            self._before = {variable: os.environ.get(variable) for variable in (*URL_VARIABLES, NAME_VARIABLE)}
        self._newest.append(name)
        self._show()
        try:
            yield
        finally:
            self._newest.remove(name)
            self._show()

    def _show(self) -> None:
        """The environment names the newest vault; without one, what it named before."""
        variables = variables_of(self._newest[-1]) if self._newest else self._before
        for variable, value in variables.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


def variables_of(name: str) -> dict[str, str | None]:
    """The variables that name a vault."""
    return {**dict.fromkeys(URL_VARIABLES, url_of(name)), NAME_VARIABLE: name}


def url_of(vault: str) -> str:
    """The URL of a vault, as production has it."""
    return f"https://{vault}{SUFFIX}"


def name_of(url: str) -> str:
    """The name of the vault at a URL."""
    return url.removeprefix("https://").partition(".")[0].lower()


def in_use(name: str, kept: str) -> str:
    return (
        f"the vault '{name}' is another test's now: on one server a name is one vault, so tests that name it run one after another; "
        f"with pytest-xdist let each worker start a server (--keyhaven-server start); when no test runs, one was killed: {kept} holds "
        f"the vault as it was before that test; put it back: keyhaven vault delete {name} && keyhaven vault copy {kept} {name} && "
        f"keyhaven vault delete {kept}"
    )
