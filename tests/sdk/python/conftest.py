"""The fixtures: a server, the environment in which production code finds it, and clients that know nothing of it.

No client here is given an option that a production client would not have. Trust comes from REQUESTS_CA_BUNDLE, the
identity from the variables of App Service; signing in is tested with those of the metadata service (IMDS) too, and with
--every-source everything is. Nothing is skipped.
"""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.core.credentials import TokenCredential
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.secrets import SecretClient

from server import CONFIG, OPERATOR, STRANGER, Server
from wire import Wire

WIRE = Wire()
REQUESTS: dict[str, list[str]] = {}

# By which variables a client finds its managed identity: never both.
SOURCES = {
    "app-service": ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
    "imds": ("AZURE_POD_IDENTITY_AUTHORITY_HOST",),
}


# What depends on the source of tokens: the rest of the suite is the same once a client has its token.
SIGNING_IN = {"test_credentials.py"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-source", action="store_true", help="run the whole suite with every source of tokens")
    parser.addoption("--tenant", type=Path, default=CONFIG, help="the configuration of the server of the whole run")
    parser.addoption("--only", type=Path, help="run these tests alone: a JSON array of their ids")
    parser.addoption("--requests", type=Path, help="write here which test made which requests, by their ids")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Runs everything with the first source, and signing in with the others; `--every-source` runs everything with each."""
    first, *_ = SOURCES
    runs = lambda item: source_of(item) in (None, first) or item.path.name in SIGNING_IN
    if only := config.getoption("only"):
        ids = set(json.loads(only.read_text()))
        items[:] = [item for item in items if item.nodeid in ids]
    elif not config.getoption("every_source"):
        config.hook.pytest_deselected(items=[item for item in items if not runs(item)])
        items[:] = [item for item in items if runs(item)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Keeps the ids of the requests that a test made, and what was made for it first."""
    exchanges = WIRE.exchanges
    mark = len(exchanges)
    try:
        return (yield)
    finally:
        REQUESTS[item.nodeid] = [exchange.request_id for exchange in exchanges[mark:] if exchange.request_id]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if file := session.config.getoption("requests"):
        file.write_text(json.dumps(REQUESTS))


def source_of(item: pytest.Item) -> str | None:
    call = getattr(item, "callspec", None)
    return call.params.get("source") if call else None


@pytest.fixture(scope="session", autouse=True)
def patches() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patches:
        yield patches


@pytest.fixture(scope="session", autouse=True)
def own_environment(patches) -> None:
    """Forgets every proxy and every Azure identity of the person who runs the suite."""
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith(("AZURE_", "IDENTITY_", "IMDS_", "MSI_")):
            patches.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def localhost_names(patches) -> None:
    """Resolves `*.localhost` to loopback (RFC 6761), which glibc alone does not."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        is_local = isinstance(host, str) and host.lower().endswith(".localhost")
        return resolve("127.0.0.1" if is_local else host, *arguments, **options)

    patches.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="session", autouse=True)
def wire(patches) -> Iterator[Wire]:
    """Every exchange of the run; at its end, no answer may have held a private member."""
    WIRE.attach(patches)
    yield WIRE
    assert WIRE.leaks == []


@pytest.fixture(scope="session", autouse=True)
def secrecy(wire) -> Iterator[None]:
    """At the end of the run, no log at trace, no audit and no answer that shows them may hold what was secret in it."""
    yield
    for server in Server.started:
        wire.secrecy.add(*server.secrets())
    files = [file for server in Server.started for file in server.files_without_secrets() if file.exists()]
    assert not files or wire.secrecy.found_in(files) == []


@pytest.fixture(scope="session", params=SOURCES)
def source(request) -> str:
    """Where clients get their tokens from."""
    return request.param


@pytest.fixture(scope="session")
def server(source, tmp_path_factory, pytestconfig) -> Iterator[Server]:
    """A server, and the environment in which every client of this process finds it."""
    server = Server(tmp_path_factory.mktemp(source), config=pytestconfig.getoption("tenant")).start()
    with pytest.MonkeyPatch.context() as patches:
        for name, value in client_environment(server, source).items():
            patches.setenv(name, value)
        yield server
    server.stop()


def client_environment(server: Server, source: str) -> dict[str, str]:
    """The variables that `server` names, with those of one identity source alone."""
    others = {name for other, names in SOURCES.items() if other != source for name in names}
    return {name: value for name, value in server.ready["env"].items() if name not in others}


@pytest.fixture(scope="session")
def credential(server) -> TokenCredential:
    """The identity that may do everything: the system-assigned one."""
    return ManagedIdentityCredential()


@pytest.fixture(scope="session")
def operator(server) -> TokenCredential:
    """An identity that may use keys, but not read them."""
    return ManagedIdentityCredential(client_id=OPERATOR["clientId"])


@pytest.fixture(scope="session")
def stranger(server) -> TokenCredential:
    """An identity that no policy names."""
    return ManagedIdentityCredential(client_id=STRANGER["clientId"])


@pytest.fixture(scope="session")
def keys(server, credential) -> Iterator[KeyClient]:
    with KeyClient(server.vault_url(), credential) as client:
        yield client


@pytest.fixture(scope="session")
def secrets(server, credential) -> Iterator[SecretClient]:
    with SecretClient(server.vault_url(), credential) as client:
        yield client


@pytest.fixture(scope="session")
def clients(server, credential) -> Iterator[Callable[[type, str], KeyClient | SecretClient]]:
    """Makes clients of the other vaults."""
    with contextlib.ExitStack() as clients:
        yield lambda kind, vault: clients.enter_context(kind(server.vault_url(vault), credential))


@pytest.fixture(scope="module", params=[("RSA", 2048), ("RSA", 3072), ("RSA-HSM", 2048), ("RSA-HSM", 3072)], ids=str)
def key(request, keys) -> KeyVaultKey:
    """A key of each kind."""
    kind, size = request.param
    return keys.create_rsa_key(f"{kind}-{size}", size=size, hardware_protected=kind == "RSA-HSM")


@pytest.fixture
def remotely(operator) -> Iterator[Callable[[KeyVaultKey], CryptographyClient]]:
    """Makes clients of a key that must leave every operation to the server."""
    with contextlib.ExitStack() as clients:
        yield lambda key: clients.enter_context(CryptographyClient(key.id, operator))
