"""Where the session's server comes from: `keyhaven run`, a server that runs already, or one that is started now."""

import json
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .admin import Keyhaven
from .error import KeyhavenError
from .vaults import NAME_VARIABLE, SUFFIX

START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 15.0  # seconds
START, RUNNING = "start", "running"

Config = Path | str | Mapping[str, Any]
Variables = dict[str, str]


class KeyhavenWarning(UserWarning):
    """Something about the server that tests depend on."""


class NoBinary(KeyhavenError):
    """There is no `keyhaven` program."""


def running(which: str) -> Variables | None:
    """The variables of the server that runs already; none when one is to be started. `which` is START, RUNNING, the path of a
    ready file, or empty: then it is the server of the environment, as long as that answers."""
    if which == START:
        return None
    if which:
        return variables_of(None if which == RUNNING else which)
    named = os.environ.get("KEYHAVEN_READY_FILE")
    try:
        if os.environ.get("KEYHAVEN_VAULT_URL", "").endswith(SUFFIX):
            Keyhaven(os.environ).admin("GET", "/admin/clock")
            return {}
        return variables_of(named) if named else None
    except NoBinary:
        raise
    except KeyhavenError as error:
        warn(f"the server of this environment is not used, and another one is started: {error}")
        return None


def variables_of(ready_file: str | None) -> Variables:
    """What `keyhaven env` prints for a running server: that of a ready file, or the one that it finds."""
    command = [binary(), "env", "--format", "json"]
    command += ["--ready-file", ready_file] if ready_file else []
    # A file that the environment names too would give way to another server's, were its own gone. A vault of the user's own
    # would stay in the variables, and tests would share it.
    left_out = {"VAULT_URL", "AZURE_KEYVAULT_URL", NAME_VARIABLE} | ({"KEYHAVEN_READY_FILE"} if ready_file else set())
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=START_TIMEOUT)
    except FileNotFoundError:
        raise no_binary() from None
    if done.returncode != 0:
        raise KeyhavenError(without_name(done.stderr))
    for line in done.stderr.splitlines():
        warn(without_name(line))
    variables: Variables = json.loads(done.stdout)
    if not variables.get("KEYHAVEN_VAULT_URL", "").endswith(SUFFIX):
        raise KeyhavenError("the running server has no takeover proxy; start it with --proxy-listen 127.0.0.1:8082")
    return variables


@contextmanager
def started(config: Config | None) -> Iterator[tuple[Variables, Path]]:
    """The variables of a server that is started now and stopped at the end, and the file with its log."""
    with tempfile.TemporaryDirectory(prefix="keyhaven-") as name:
        home = Path(name)
        process = start(home, config)
        try:
            await_ready(home, process)
            yield variables_of(str(home / "ready.json")), home / "log"
        finally:
            stop(process)


def start(home: Path, config: Config | None) -> subprocess.Popen[bytes]:
    options = ["--ephemeral", "--create-vaults", "--clock", "virtual", "--log-level", "warn"]
    for listener in ("listen", "identity-listen", "admin-listen", "proxy-listen"):
        options += [f"--{listener}", "127.0.0.1:0"]
    if config is not None:
        options += ["--config", str(config_file(home, config))]
    command = [binary(), "serve", *options, "--ready-file", str(home / "ready.json")]
    try:
        with open(home / "log", "wb") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
    except FileNotFoundError:
        raise no_binary() from None


def config_file(home: Path, config: Config) -> Path:
    """The configuration as a file."""
    if not isinstance(config, Mapping):
        return Path(config)
    file = home / "config.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))
    return file


def await_ready(home: Path, process: subprocess.Popen[bytes]) -> None:
    """Waits for the ready file, which is written whole when every listener answers."""
    deadline = time.monotonic() + START_TIMEOUT
    while not (home / "ready.json").exists():
        if process.poll() is not None:
            raise KeyhavenError(f"keyhaven did not start: {without_name((home / 'log').read_text())}")
        if time.monotonic() > deadline:
            raise KeyhavenError(f"keyhaven was not ready after {START_TIMEOUT:.0f} s: {(home / 'log').read_text()}")
        time.sleep(0.01)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def binary() -> str:
    return os.environ.get("KEYHAVEN_BIN", "keyhaven")


def no_binary() -> NoBinary:
    return NoBinary(f"there is no '{binary()}'; put keyhaven on the PATH, or set KEYHAVEN_BIN")


def without_name(text: str) -> str:
    """A message of the program without its name in front, which the plugin's own text has already."""
    return text.strip().removeprefix("keyhaven: ")


def warn(text: str) -> None:
    warnings.warn(KeyhavenWarning(text), stacklevel=2)
