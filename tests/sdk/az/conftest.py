"""The fixtures: `keyhaven run` around everything, and az signed in to it.

az is as Microsoft publishes it, with the environment that `run` gives its command and nothing else; only where it keeps
its sign-in is each test's own. Nothing is skipped.
"""

from collections.abc import Iterator

import pytest

from cli import SOURCES, Az
from production import TAKEN_OVER, UNNEEDED, Production

APPLICATION = "0f0e0d0c-0000-4000-8000-000000000001"  # any client id is as good as the default identity
NOBODY = "6b9e7c1a-0000-4000-8000-00000000c11f"  # the identity that may do nothing


@pytest.fixture(scope="session")
def production(tmp_path_factory) -> Iterator[Production]:
    """What az finds; at its end, nothing that az asked may have left this machine."""
    yield from held_open(Production(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="session")
def strict(tmp_path_factory) -> Iterator[Production]:
    """The same, where nobody is let in who is not configured."""
    yield from held_open(Production(tmp_path_factory.mktemp("strict"), "--strict"))


def held_open(production: Production) -> Iterator[Production]:
    yield production
    asked = production.end()
    # A worker that only asked the identity listener has had nothing taken over.
    assert asked.pop("taken over", set()) <= TAKEN_OVER
    assert asked.pop("refused", set()) <= UNNEEDED
    assert asked == {}, "nothing was tunnelled"


@pytest.fixture(scope="session")
def az(production, tmp_path_factory) -> Az:
    """az, signed in as an application that may do everything."""
    az = Az(production, tmp_path_factory.mktemp("az"))
    az("login", "--service-principal", "-u", APPLICATION, "-p", "hush", "--tenant", az.tenant)
    return az


@pytest.fixture(scope="session")
def nobody(production, tmp_path_factory) -> Az:
    """az, signed in as the managed identity that may do nothing."""
    az = Az(production, tmp_path_factory.mktemp("nobody"))
    az("login", "--identity", "--client-id", NOBODY)
    return az


@pytest.fixture(params=SOURCES)
def visitor(request, production, tmp_path) -> Az:
    """az, not signed in, which finds its managed identity in one of the two ways."""
    return Az(production, tmp_path, without=SOURCES[request.param])
