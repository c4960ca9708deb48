"""A Keyhaven process for tests: started on free ports, found by its ready file, stopped or killed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import Request, urlopen

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

    started: list["Server"] = []  # all of this process

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
        command += ["--ready-file", ready_file, "--log-level", "trace", "--audit", self.home / "audit.jsonl"]
        with open(self.home / "log", "a") as log:
            environ = environment() | self.settings
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self.ready = json.loads(await_file(ready_file, self._process, self.log))
        if self not in Server.started:
            Server.started.append(self)
        return self

    def stop(self) -> None:
        """Asks the server to stop, as a service manager would, and demands that it does so cleanly."""
        self.keep_what_it_shows()
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

    def keep_what_it_shows(self) -> None:
        """Keeps what the admin API shows of the last requests."""
        with open(self.home / "shown.json", "ab") as shown:
            for path in ("log", "audit"):
                request = Request(f"http://{self.ready['admin']}/admin/{path}?limit=1000")
                request.add_header("Authorization", f"Bearer {self.ready['adminKey']}")
                shown.write(urlopen(request).read() + b"\n")

    def files_without_secrets(self) -> list[Path]:
        """The log, the audit, and what the admin API showed of them."""
        return [self.home / "log", self.home / "audit.jsonl", self.home / "shown.json"]

    def secrets(self) -> list[bytes]:
        """What the server itself must keep: keys of its files, and what its ready file has."""
        files = [file for file in self.data.glob("*.key")]
        texts = [self.ready["adminKey"], self.ready["env"].get("IDENTITY_HEADER", "")]
        own = [part for file in files for part in file.read_bytes().split()] + [text.encode() for text in texts]
        return [secret for secret in own if secret]

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
