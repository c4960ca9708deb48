"""Whether a test that failed asked another vault than its own, as code does that has a URL built in."""

import pytest

from .admin import Keyhaven
from .error import KeyhavenError

OWN = pytest.StashKey[tuple[Keyhaven, str, int]]()
NAMES_OF_TESTS = "t-"


def watch(item: pytest.Item, keyhaven: Keyhaven, vault: str) -> None:
    """Remembers from which line of the server's log on requests are the test's."""
    item.stash[OWN] = keyhaven, vault, keyhaven.admin("GET", "/admin/log?limit=1")["last"]


def explain(item: pytest.Item, report: pytest.TestReport) -> None:
    """Adds the vault that was asked in place of the test's own to the report of a test that failed."""
    own = item.stash.get(OWN, None)
    if own is None or not report.failed or report.when != "call":
        return
    keyhaven, vault, last = own
    try:
        lines = keyhaven.admin("GET", f"/admin/log?after={last}&limit=1000")["requests"]
    except KeyhavenError:  # The server is gone, which the test itself has said.
        return
    asked = {line["vault"] for line in lines if line["door"] == "vault" and line["vault"]}
    others = sorted(name for name in asked if not name.startswith(NAMES_OF_TESTS))
    if others and vault not in asked:
        text = f"this test asked {', '.join(others)}, its vault is {vault}; name it: keyhaven_vault = {others[0]}"
        report.sections.append(("keyhaven", text))
