"""`--credential`: production code that names one credential alone finds it in its environment, and DefaultAzureCredential too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential, WorkloadIdentityCredential

from server import Server, binary, environment

SCOPE = "https://vault.azure.net/.default"
DEFAULT = "6b9e7c1a-0000-4000-8000-00000000c11e"

# What the program of each platform signs in with.
ALONE = {
    "managed-identity": "ManagedIdentityCredential",
    "workload-identity": "WorkloadIdentityCredential",
    "client-secret": "EnvironmentCredential",
    "client-certificate": "EnvironmentCredential",
}

# Production code: everything that it needs to know is in its environment.
PROGRAM = """
import base64, json, sys
import azure.identity
from azure.keyvault.secrets import SecretClient

def owner(credential):
    claims = credential.get_token("https://vault.azure.net/.default").token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["appid"]

names = [sys.argv[1], "DefaultAzureCredential"]
credentials = [getattr(azure.identity, name)() for name in names]
for credential in credentials:
    with SecretClient("https://contoso-prod.vault.azure.net", credential) as secrets:
        secrets.set_secret("s", "open")
        assert secrets.get_secret("s").value == "open"
print(json.dumps([owner(credential) for credential in credentials]))
"""


def run(kind: str, *options: str) -> subprocess.CompletedProcess:
    command = [binary(), "run", "--credential", kind, *options, "--", sys.executable, "-c", PROGRAM, ALONE[kind]]
    env = {name: value for name, value in environment().items() if not name.startswith("AZURE_")}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("kind", ALONE)
def test_a_program_that_names_one_credential_signs_in_inside_run(kind):
    """Strict: with placeholders alone, and not because anything is taken."""
    done = run(kind, "--strict")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [DEFAULT, DEFAULT]


@pytest.mark.parametrize("kind", ALONE)
def test_it_is_the_identity_that_is_named(kind):
    done = run(kind, "--identity", "nobody")
    assert done.returncode == 1
    assert "(Forbidden)" in done.stderr


def test_workload_identity_is_what_env_names_beside_a_running_server(tmp_path, monkeypatch):
    server = Server(tmp_path).start()
    try:
        line = [binary(), "env", "--format", "json", "--data", server.data, "--credential", "workload-identity"]
        printed = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=30, check=True)
        for name, value in json.loads(printed.stdout).items():
            monkeypatch.setenv(name, value)
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
            monkeypatch.delenv(name, raising=False)
        assert Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"]).stat().st_mode & 0o777 == 0o600
        with WorkloadIdentityCredential() as one, DefaultAzureCredential() as two:
            assert [credential.get_token(SCOPE).token.count(".") for credential in (one, two)] == [2, 2]
    finally:
        server.stop()
