"""The `az` binary of this suite's environment, as somebody who is signed in, or not yet."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from production import Production

BINARY = Path(sys.executable).with_name("az")

# How a client finds its managed identity: by which variables.
METADATA = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
APP_SERVICE = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
SOURCES = {"app-service": (METADATA,), "imds": (METADATA, *APP_SERVICE)}  # what is taken away


class Refusal(NamedTuple):
    """What az says when it is refused, and its exit status."""

    exit: int
    code: str
    message: str


class Az:
    """az with a sign-in of its own, kept below `home`; without the variables in `without`."""

    def __init__(self, production: Production, home: Path, without: tuple[str, ...] = ()):
        self.tenant = production.tenant
        self.environment = {k: v for k, v in production.environment.items() if k not in without}
        self.environment["AZURE_CONFIG_DIR"] = str(home)

    def __call__(self, *arguments: str | Path) -> Any:
        """The JSON that az answers."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"az {arguments}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout else None

    def refused(self, *arguments: str | Path) -> Refusal:
        """The service's error, as az prints it."""
        done = self.run(*arguments)
        assert done.stdout == ""
        error = re.search(r"^ERROR: \((\w+)\) (.*)$", done.stderr, re.MULTILINE)
        assert error, f"az {arguments} was not refused by the service: {done.returncode} {done.stderr}"
        return Refusal(done.returncode, *error.groups())

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess:
        pipes = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        return subprocess.run([BINARY, *arguments], env=self.environment, timeout=120, **pipes)

    def token(self) -> dict:
        """The claims of a token for the vaults, asked for as every SDK's AzureCliCredential does."""
        token = self("account", "get-access-token", "--resource", "https://vault.azure.net")
        assert (token["tokenType"], token["tenant"]) == ("Bearer", self.tenant)
        claims = token["accessToken"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
