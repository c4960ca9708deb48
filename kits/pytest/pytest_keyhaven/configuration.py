"""Whether a server that runs already has the configuration that the tests are written for."""

import os

import pytest

from .admin import Keyhaven
from .server import Config, warn

DIFFERENCE = pytest.StashKey[str]()


def compare(config: pytest.Config, keyhaven: Keyhaven, wanted: Config | None) -> None:
    """Warns of another configuration, and remembers it for the tests that fail."""
    if wanted is None:
        return
    served = keyhaven.admin("GET", "/admin/status").get("configuration")
    text = difference(served, str(wanted) if isinstance(wanted, str | os.PathLike) else None)
    if text:
        config.stash[DIFFERENCE] = text
        warn(text)


def difference(served: str | None, wanted: str | None) -> str | None:
    """What to do about a server with the file `served` when the tests want another one; None is the one of a fixture."""
    if served and wanted and os.path.realpath(served) == os.path.realpath(wanted):
        return None
    file = os.path.relpath(wanted) if wanted else "FILE"
    wants = file if wanted else "that of the fixture keyhaven_config"
    has = f"the configuration {served}" if served else "no configuration's file"
    return (
        f"the server that runs already has {has}, the tests want {wants}; "
        f"start it with: keyhaven serve --config {file} --clock virtual --ephemeral --ready-file ready.json, or start one for the tests: --keyhaven-server start"
    )


def explain(config: pytest.Config, report: pytest.TestReport) -> None:
    """Adds the difference to the report of a test that failed."""
    if report.failed and (text := config.stash.get(DIFFERENCE, None)):
        report.sections.append(("keyhaven", text))
