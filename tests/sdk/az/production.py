"""`keyhaven run`, held open around the suite: what its command finds in its environment, what it tells at its end."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

# The hosts that az asks, and that Keyhaven is.
TAKEN_OVER = {
    "login.microsoftonline.com",
    "management.azure.com",
    "169.254.169.254",
    "contoso-prod.vault.azure.net",
    "contoso-copy.vault.azure.net",
    "contoso-lists.vault.azure.net",
}
# Those that it asks besides, for its index of commands and with its telemetry, and does without.
UNNEEDED = {"azcliprod.blob.core.windows.net", "dc.services.visualstudio.com"}

# Shows its environment, then waits until it is let go.
COMMAND = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


def binary() -> str:
    """The server to test."""
    path = os.environ.get("KEYHAVEN_BIN", "")
    if not os.access(path, os.X_OK):
        raise RuntimeError("set KEYHAVEN_BIN to the keyhaven binary, or start the suite with tests/sdk/run az")
    return path


def own_environment() -> dict[str, str]:
    """This process's environment without proxies, Azure and Keyhaven of the person who runs the suite."""
    foreign = ("KEYHAVEN_", "AZURE_", "IDENTITY_", "IMDS_", "MSI_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.upper().endswith("_PROXY")
    }


class Production:
    """A run whose command waits. `environment` is the command's, whole; `end` answers which hosts were asked."""

    def __init__(self, home: Path, *options: str):
        self._log = home / "run.log"
        command = [binary(), "run", "--offline", *options, "--", sys.executable, "-c", COMMAND]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(command, env=own_environment(), stderr=log, text=True, **pipes)
        shown = self._process.stdout.readline()
        assert shown, f"keyhaven run did not start its command:\n{self._log.read_text()}"
        self.environment: dict[str, str] = json.loads(shown)
        self.tenant = self.environment["AZURE_TENANT_ID"]

    def end(self) -> dict[str, set[str]]:
        self._process.communicate(timeout=30)
        assert self._process.returncode == 0, self._log.read_text()
        return hosts(self._log.read_text())


def hosts(told: str) -> dict[str, set[str]]:
    """The hosts of `run`'s closing lines, by what became of them: `keyhaven: refused: a.example:443 (2 attempts)`."""
    lines = re.findall(r"^keyhaven: ([a-z ]+): (.* \((?:no|\d+) [a-z]+\))$", told, re.MULTILINE)
    return {fate: {host.rsplit(" (", 1)[0].rsplit(":", 1)[0] for host in named.split(", ")} for fate, named in lines}
