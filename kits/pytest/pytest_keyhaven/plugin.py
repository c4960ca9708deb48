"""What pytest gets: options, the marker, fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import server
from .admin import Clock, Keyhaven, KeyhavenError

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

MARKER = "keyhaven_secrets"
# The variables that programs find their vault by.
VAULT_VARIABLES = ("KEYHAVEN_VAULT_URL", "AZURE_KEYVAULT_URL", "VAULT_URL")
LOG = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    which = "server to use: 'start' one, the 'running' one that keyhaven finds, or that of a ready FILE"
    default = "that of keyhaven run, of keyhaven env or of KEYHAVEN_READY_FILE, else one is started"
    group = parser.getgroup("keyhaven")
    group.addoption("--keyhaven-server", metavar="WHICH", help=f"{which} [default: {default}]")
    parser.addini("keyhaven_server", f"{which}; default: {default}", default="")
    parser.addini("keyhaven_config", "configuration file of the server that is started, relative to this file", default="")


def pytest_configure(config: pytest.Config) -> None:
    about = "the test's vault holds these secrets besides (a dict of names and values); it has a vault of its own then"
    config.addinivalue_line("markers", f"{MARKER}(secrets): {about}")


@pytest.fixture(scope="session")
def keyhaven_config(pytestconfig: pytest.Config) -> server.Config | None:
    """The configuration of the server that is started: the file of the ini option `keyhaven_config`. Override it in the topmost
    conftest.py to answer a path, or the configuration itself as a dict."""
    file = pytestconfig.getini("keyhaven_config")
    return beside_ini(pytestconfig, file) if file else None


@pytest.fixture(scope="session", autouse=True)
def keyhaven(pytestconfig: pytest.Config, keyhaven_config: server.Config | None) -> Iterator[Keyhaven]:
    """The server of this session. It is there before the first test, so that none reaches the real Azure because it asks for
    no fixture."""
    try:
        found = server.running(which(pytestconfig))
        if found is None:
            yield from own(pytestconfig, keyhaven_config)
            return
        if keyhaven_config is not None:
            server.warn("keyhaven_config is for a server that the plugin starts; the one that runs already has its own")
        with pytest.MonkeyPatch.context() as patches:
            yield entered(found, patches)
    except server.NoBinary as error:
        pytest.exit(str(error), returncode=2)
    except KeyhavenError as error:
        pytest.fail(str(error), pytrace=False)


def own(config: pytest.Config, keyhaven_config: server.Config | None) -> Iterator[Keyhaven]:
    """A server that is started, and stopped at the end; what it logged is shown after the tests."""
    with server.started(keyhaven_config) as (variables, log), pytest.MonkeyPatch.context() as patches:
        yield entered(variables, patches)
        config.stash[LOG] = log.read_text()


def entered(variables: Mapping[str, str], patches: pytest.MonkeyPatch) -> Keyhaven:
    """The server of these variables, which this process and those it starts find from now on."""
    for name, value in variables.items():
        patches.setenv(name, value)
    return Keyhaven(os.environ)


def which(config: pytest.Config) -> str:
    """The server that was chosen: by the command line, else by the ini file."""
    if option := config.getoption("--keyhaven-server"):
        return str(option)
    chosen = config.getini("keyhaven_server")
    return chosen if chosen in ("", server.START, server.RUNNING) else str(beside_ini(config, chosen))


def beside_ini(config: pytest.Config, file: str) -> Path:
    """A path of the ini file."""
    return (config.inipath.parent if config.inipath else config.rootpath) / file


@pytest.fixture
def vault_url(keyhaven: Keyhaven, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a vault for this test alone: a copy of the default one, with the secrets of the marker `keyhaven_secrets`.
    During the test VAULT_URL and KEY_VAULT_NAME name it."""
    with keyhaven.vault(seeds(request.node)) as url, pytest.MonkeyPatch.context() as patches:
        for name in VAULT_VARIABLES:
            patches.setenv(name, url)
        patches.setenv("KEY_VAULT_NAME", url.removeprefix("https://").partition(".")[0])
        yield url


@pytest.fixture(autouse=True)
def _keyhaven_seeded(request: pytest.FixtureRequest) -> None:
    """A test that is marked has a vault of its own, whether it asks for `vault_url` or reads VAULT_URL."""
    if request.node.get_closest_marker(MARKER):
        request.getfixturevalue("vault_url")


def seeds(node: pytest.Item) -> dict[str, Any]:
    """The secrets of all markers of a test; the closest one wins."""
    found: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(MARKER))):
        if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], Mapping):
            pytest.fail(f'{MARKER} takes one dict: @pytest.mark.{MARKER}({{"name": "value"}})', pytrace=False)
        found |= marker.args[0]
    return found


@pytest.fixture(scope="session")
def credential(keyhaven: Keyhaven) -> Iterator[DefaultAzureCredential]:
    """The default identity, as production code signs in."""
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()
    with credential:
        yield credential


@pytest.fixture
def clock(keyhaven: Keyhaven) -> Clock:
    """The clock that vaults live by."""
    return Clock(keyhaven)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows what the server warned of."""
    if log := config.stash.get(LOG, ""):
        terminalreporter.section("keyhaven: the server's log")
        terminalreporter.write_line(log.rstrip())
