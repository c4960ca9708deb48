"""A Keyhaven process for tests: started on free ports, found by its ready file, stopped or killed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

START_TIMEOUT = 60.0

VAULT = "factory-vault"
LISTING_VAULT = "listing-vault"
LIFECYCLE_VAULT = "lifecycle-vault"  # keeps what is deleted for 7 days
SLOW_VAULT = "slow-vault"  # takes 3 s to delete, to recover and to purge
GUARDED_VAULT = "guarded-vault"  # purge protection
PLAIN_VAULT = "plain-vault"  # no soft delete
PAGING_VAULT = "paging-vault"

CONFIG = Path(__file__).parents[1] / "config.json"
_TENANT = json.loads(CONFIG.read_text())
TENANT = _TENANT["tenantId"]
READER, FACTORY, OPERATOR, STRANGER = _TENANT["identities"]  # who they are: ../README.md


def binary() -> str:
    """The server to test."""
    path = os.environ.get("KEYHAVEN_BIN", "")
    if not os.access(path, os.X_OK):
        raise RuntimeError("set KEYHAVEN_BIN to the keyhaven binary, or start the suite with tests/sdk/run python")
    return path


def environment() -> dict[str, str]:
    """This process's environment without what would configure the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KEYHAVEN_")}


class Server:
    """`keyhaven serve` with its files below `home`, which outlives it; `settings` are variables of its environment."""

    def __init__(self, home: Path, *, config: Path = CONFIG, settings: dict[str, str] | None = None):
        self.home = home
        self.config = config
        self.settings = settings or {}
        self.data = home / "data"
        self.ready: dict = {}
        self._process: subprocess.Popen | None = None

    def start(self) -> "Server":
        ready_file = self.home / "ready.json"
        ready_file.unlink(missing_ok=True)
        command = [binary(), "serve", "--data", self.data, "--certs", self.home / "certs", "--config", self.config]
        command += ["--listen", ":0", "--identity-listen", ":0", "--admin-listen", ":0", "--proxy-listen", "off"]
        command += ["--ready-file", ready_file]
        with open(self.home / "log", "a") as log:
            environ = environment() | self.settings
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self.ready = json.loads(await_file(ready_file, self._process, self.log))
        return self

    def stop(self) -> None:
        """Asks the server to stop, as a service manager would, and demands that it does so cleanly."""
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(timeout=15)
        assert status == 0, f"the server ended with status {status}:\n{self.log()}"

    def kill(self) -> None:
        """Ends the server without any notice."""
        self._process.kill()
        self._process.wait(timeout=15)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def vault_url(self, name: str = VAULT) -> str:
        return self.ready["vaults"][name]

    def log(self) -> str:
        return (self.home / "log").read_text()


def await_file(path: Path, process: subprocess.Popen, log=lambda: "") -> str:
    """The content of the ready file `path`, once `process` has written it (which it does whole or not at all)."""
    deadline = time.monotonic() + START_TIMEOUT
    while not path.exists():
        if process.poll() is not None:
            raise RuntimeError(f"keyhaven ended with status {process.returncode} before it was ready:\n{log()}")
        if time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"keyhaven was not ready after {START_TIMEOUT:.0f} s:\n{log()}")
        time.sleep(0.02)
    return path.read_text()
