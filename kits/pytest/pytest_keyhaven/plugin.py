"""What pytest gets: options, markers, fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import asked, configuration, interruption, server
from .admin import Keyhaven
from .clock import Clock
from .error import KeyhavenError
from .faults import Faults
from .vaults import name_of

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

SECRETS, VAULT = "keyhaven_secrets", "keyhaven_vault"
LOG = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    which = "server to use: 'start' one, the 'running' one that keyhaven finds, or that of a ready FILE"
    default = "that of keyhaven run, of keyhaven env or of KEYHAVEN_READY_FILE, else one is started"
    group = parser.getgroup("keyhaven")
    group.addoption("--keyhaven-server", metavar="WHICH", help=f"{which} [default: {default}]")
    parser.addini("keyhaven_server", f"{which}; default: {default}", default="")
    parser.addini("keyhaven_config", "configuration file of the server that is started, relative to this file", default="")
    parser.addini(VAULT, "name of the vault that every test gets, when the code under test has it: shop-vault", default="")


def pytest_configure(config: pytest.Config) -> None:
    about = "the test's vault holds these secrets besides (a dict of names and values); it has a vault of its own then"
    config.addinivalue_line("markers", f"{SECRETS}(secrets): {about}")
    config.addinivalue_line("markers", f"{VAULT}(name): the test's vault has this name, and is made anew for the test")


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
    with in_its_words(), interruption.by_sigterm(), ExitStack() as stack:
        found = server.running(which(pytestconfig))
        variables = stack.enter_context(own(pytestconfig, keyhaven_config)) if found is None else found
        keyhaven = entered(variables, stack)
        if found is not None:
            configuration.compare(pytestconfig, keyhaven, keyhaven_config)
        if name := ini_name(pytestconfig):
            refuse_shared_name(pytestconfig, is_shared=found is not None)
            stack.enter_context(keyhaven.default_vault_named(name))
        keyhaven.note_vaults()
        yield keyhaven


@contextmanager
def in_its_words() -> Iterator[None]:
    """What is wrong with the server fails the test, or all of them, with its text alone."""
    try:
        yield
    except server.NoBinary as error:
        raise pytest.exit.Exception(str(error), returncode=2) from None
    except KeyhavenError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@contextmanager
def own(config: pytest.Config, keyhaven_config: server.Config | None) -> Iterator[server.Variables]:
    """A server that is started, and stopped at the end; what it logged is shown after the tests."""
    with server.started(keyhaven_config) as (variables, log):
        yield variables
        config.stash[LOG] = log.read_text()


def entered(variables: Mapping[str, str], stack: ExitStack) -> Keyhaven:
    """The server of these variables, which this process and those it starts find until the end."""
    patches = stack.enter_context(pytest.MonkeyPatch.context())
    for name, value in variables.items():
        patches.setenv(name, value)
    return Keyhaven(os.environ)


def which(config: pytest.Config) -> str:
    """The server that was chosen: by the command line, else by the ini file."""
    if option := config.getoption("--keyhaven-server"):
        return chosen(str(option), Path(option), "--keyhaven-server")
    given = str(config.getini("keyhaven_server"))
    return chosen(given, beside_ini(config, given), "keyhaven_server") if given else ""


def chosen(given: str, file: Path, option: str) -> str:
    """The server that an option names: by a word, or by a ready file that there is."""
    if given in (server.START, server.RUNNING):
        return given
    if not file.exists():
        raise KeyhavenError(f"{option}: there is no file '{given}'; give start, running, or the ready file of a server that runs")
    return str(file)


def beside_ini(config: pytest.Config, file: str) -> Path:
    """A path of the ini file."""
    return (config.inipath.parent if config.inipath else config.rootpath) / file


def refuse_shared_name(config: pytest.Config, is_shared: bool) -> None:
    """Workers of pytest-xdist that share a server would make the vault of one name anew under each other's tests."""
    if is_shared and hasattr(config, "workerinput"):
        raise KeyhavenError(
            f"{VAULT}: the workers of pytest-xdist share the server that runs already, and there a name is one vault; "
            "let each worker start a server of its own: --keyhaven-server start"
        )


@pytest.fixture
def vault_url(keyhaven: Keyhaven, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a vault for this test alone: a copy of the default one, with the secrets of the marker `keyhaven_secrets` and
    the name of the marker or the ini option `keyhaven_vault`. During the test VAULT_URL, AZURE_KEYVAULT_URL, KEYHAVEN_VAULT_URL and
    KEY_VAULT_NAME name it."""
    with in_its_words():
        name = marked_name(request.node) or ini_name(request.config)
        with keyhaven.vault(seeds(request.node), name) as url:
            asked.watch(request.node, keyhaven, name_of(url))
            yield url


@pytest.fixture(autouse=True)
def _keyhaven_own_vault(request: pytest.FixtureRequest) -> None:
    """A test that is marked has a vault of its own, whether it asks for `vault_url` or reads VAULT_URL; and so has every test
    where the ini file names the vault. It comes before the other fixtures, which put the environment back as they found it."""
    is_named = any(map(request.node.get_closest_marker, (SECRETS, VAULT))) or request.config.getini(VAULT)
    if is_named or "vault_url" in request.fixturenames:
        request.getfixturevalue("vault_url")


def marked_name(node: pytest.Item) -> str | None:
    """The name of the vault that a test is marked with."""
    marker = node.get_closest_marker(VAULT)
    if marker is None:
        return None
    if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], str):
        pytest.fail(f'{VAULT} takes one name: @pytest.mark.{VAULT}("shop-vault")', pytrace=False)
    return a_name(marker.args[0])


def ini_name(config: pytest.Config) -> str | None:
    """The name of every test's vault, where the ini file has one."""
    return a_name(str(config.getini(VAULT))) or None


def a_name(given: str) -> str:
    """The name of a vault, as it was given."""
    if "://" in given:
        raise KeyhavenError(f"{VAULT}: '{given}' is a URL; give the name, {name_of(given)}")
    return given


def seeds(node: pytest.Item) -> dict[str, Any]:
    """The secrets of all markers of a test; the closest one wins."""
    found: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(SECRETS))):
        if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], Mapping):
            pytest.fail(f'{SECRETS} takes one dict: @pytest.mark.{SECRETS}({{"name": "value"}})', pytrace=False)
        found |= marker.args[0]
    return found


@pytest.fixture(scope="session")
def credential(keyhaven: Keyhaven) -> Iterator[DefaultAzureCredential]:
    """The default identity, as production code signs in."""
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()
    with credential:
        yield credential


@pytest.fixture(scope="session")
def credential_of(keyhaven: Keyhaven) -> Iterator[Callable[[str], ManagedIdentityCredential]]:
    """Answers the credential of an identity of the configuration, by its name: credential_of("reports"). Without a configuration
    there is `nobody`, who may do nothing."""
    from azure.identity import ManagedIdentityCredential

    with ExitStack() as stack:
        yield lambda name: stack.enter_context(ManagedIdentityCredential(client_id=keyhaven.client_id(name)))


@pytest.fixture
def as_identity(keyhaven: Keyhaven, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The code under test signs in as an identity of the configuration, by its name, until the test is over:
    as_identity("reports"). It makes its credential afterwards."""

    def sign_in_as(name: str) -> None:
        with in_its_words():
            monkeypatch.setenv("AZURE_CLIENT_ID", keyhaven.client_id(name))

    return sign_in_as


@pytest.fixture
def clock(keyhaven: Keyhaven) -> Clock:
    """The clock that vaults live by: clock.now is an aware datetime, clock.advance("P90D") moves on."""
    return Clock(keyhaven)


@pytest.fixture
def faults(keyhaven: Keyhaven, vault_url: str) -> Iterator[Faults]:
    """Makes requests of the test's vault go wrong, until the test is over: faults("SecretGet", status=503, times=1).hits is how
    often that happened."""
    faults = Faults(keyhaven, name_of(vault_url))
    with in_its_words():
        yield faults
        faults.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that fails at a server of another configuration, or that asked another vault than its own, says so."""
    outcome: Any = yield
    report = outcome.get_result()
    configuration.explain(item.config, report)
    asked.explain(item, report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows what the server warned of."""
    if log := config.stash.get(LOG, ""):
        terminalreporter.section("keyhaven: the server's log")
        terminalreporter.write_line(log.rstrip())
