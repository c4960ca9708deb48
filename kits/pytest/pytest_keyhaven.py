"""Fixtures that give each test a key vault of its own. See README.md."""

import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

START_TIMEOUT = 60.0  # seconds


class Keyhaven:
    """A running server, asked through its admin API."""

    def __init__(self, admin_url: str, admin_key: str, default_vault: str):
        self._admin_url = admin_url
        self._admin_key = admin_key
        self.default_vault = default_vault

    @property
    def default_vault_url(self) -> str:
        """The vault that the others are copies of: what it holds when a test begins, the test's vault holds."""
        return url_of(self.default_vault)

    def admin(self, method: str, path: str, body: dict | None = None) -> dict:
        """One request to the admin API; an error says what the server says."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._admin_key}"}
        request = urllib.request.Request(self._admin_url + path, data, headers, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {json.loads(error.read())['error']['message']}") from None


class Clock:
    """The clock that vaults live by. Tokens stay on the machine's clock, so whoever is signed in stays so."""

    def __init__(self, keyhaven: Keyhaven):
        self._keyhaven = keyhaven

    @property
    def now(self) -> str:
        """The present moment (RFC 3339)."""
        return self._keyhaven.admin("GET", "/admin/clock")["now"]

    def advance(self, period: str) -> str:
        """Moves on by an ISO 8601 period such as P90D; what falls due is done when this returns. Answers the new moment."""
        return self._move(advance=period)

    def set(self, moment: str) -> str:
        """Moves on to a moment (RFC 3339)."""
        return self._move(set=moment)

    def freeze(self) -> str:
        """Stands still."""
        return self._move(freeze=True)

    def run(self) -> str:
        """Runs again."""
        return self._move(run=True)

    def _move(self, **how) -> str:
        return self._keyhaven.admin("POST", "/admin/clock", how)["now"]


@pytest.fixture(scope="session", autouse=True)
def keyhaven() -> Iterator[Keyhaven]:
    """The server of this session: that of `keyhaven run`, or one that is started now. It is there before the first test, so
    that none reaches the real Azure because it asks for no fixture."""
    if os.environ.get("KEYHAVEN_VAULT_URL", "").endswith(".vault.azure.net"):
        yield found(os.environ)
        return
    with tempfile.TemporaryDirectory(prefix="keyhaven-") as home, pytest.MonkeyPatch.context() as patches:
        ready_file = Path(home) / "ready.json"
        process = started(ready_file)
        try:
            environment = environment_of(ready_file, process)
            for name, value in environment.items():
                patches.setenv(name, value)
            yield found(environment)
        finally:
            process.terminate()
            process.wait(timeout=15)


def binary() -> str:
    return os.environ.get("KEYHAVEN_BIN", "keyhaven")


def started(ready_file: Path) -> subprocess.Popen:
    options = ["--ephemeral", "--create-vaults", "--clock", "virtual", "--log-level", "warn"]
    for listener in ("listen", "identity-listen", "admin-listen", "proxy-listen"):
        options += [f"--{listener}", ":0"]
    command = [binary(), "serve", *options, "--ready-file", ready_file]
    try:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        pytest.exit(f"there is no '{binary()}'; put keyhaven on the PATH, or set KEYHAVEN_BIN", returncode=2)


def environment_of(ready_file: Path, process: subprocess.Popen) -> dict[str, str]:
    """What production code finds the server by, once it is there."""
    deadline = time.monotonic() + START_TIMEOUT
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError("keyhaven did not start; what it said stands above")
        time.sleep(0.01)
    command = [binary(), "env", "--format", "json", "--ready-file", ready_file]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def found(environment) -> Keyhaven:
    names = ("KEYHAVEN_ADMIN_URL", "KEYHAVEN_ADMIN_KEY", "KEY_VAULT_NAME")
    return Keyhaven(*(environment[name] for name in names))


def url_of(vault: str) -> str:
    return f"https://{vault}.vault.azure.net"


@pytest.fixture
def vault_url(keyhaven) -> Iterator[str]:
    """A vault for this test alone: a copy of the default one."""
    name = f"t-{uuid.uuid4().hex[:20]}"
    keyhaven.admin("PUT", f"/admin/vaults/{name}", {"copyOf": keyhaven.default_vault})
    yield url_of(name)
    keyhaven.admin("DELETE", f"/admin/vaults/{name}")


@pytest.fixture(scope="session")
def credential(keyhaven):
    """The default identity, as production code signs in."""
    from azure.identity import DefaultAzureCredential

    with DefaultAzureCredential() as credential:
        yield credential


@pytest.fixture
def clock(keyhaven) -> Clock:
    """The clock that vaults live by."""
    return Clock(keyhaven)
