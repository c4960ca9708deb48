"""Real credentials in the environment of `keyhaven run`: the command finds others in their place, which sign in as they did."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import binary, environment

CLIENT = "31313131-0000-4000-8000-000000000001"
TENANT = "41414141-0000-4000-8000-000000000001"
SECRETS = ("AZURE_CLIENT_SECRET", "AZURE_PASSWORD")
FILES = ("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")

# Production code: it signs in by what the environment says, and uses its vault.
PROGRAM = """
import base64, json, os
from azure.identity import EnvironmentCredential, WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient

workload = "AZURE_FEDERATED_TOKEN_FILE" in os.environ
credential = WorkloadIdentityCredential() if workload else EnvironmentCredential()
with SecretClient("https://contoso-prod.vault.azure.net", credential) as secrets:
    secrets.set_secret("s", "open")
    value = secrets.get_secret("s").value
token = credential.get_token("https://vault.azure.net/.default").token.split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
print(json.dumps({"value": value, "appid": claims["appid"], "tid": claims["tid"], "env": dict(os.environ)}))
"""


def run(real: dict[str, str], *options: str) -> subprocess.CompletedProcess:
    env = environment() | {"AZURE_CLIENT_ID": CLIENT, "AZURE_TENANT_ID": TENANT} | real
    command = [binary(), "run", *options, "--", sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def real(request, tmp_path) -> dict[str, str]:
    """A credential of the user's real Azure."""
    if request.param in FILES:
        file = tmp_path / "real"
        file.write_text("real, and never to be read")
        return {request.param: str(file)}
    return {request.param: "real"}


@pytest.mark.parametrize("real", ["AZURE_CLIENT_SECRET", *FILES], indirect=True)
def test_the_command_signs_in_by_what_takes_the_place_of_real_credentials(real):
    done = run(real)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["value"], said["appid"], said["tid"]) == ("open", CLIENT, TENANT)
    (name, value), found = *real.items(), said["env"]
    assert found[name] != value
    if name in FILES:
        assert not Path(found[name]).exists(), "it ends with the run"


@pytest.mark.parametrize("real", ["AZURE_CLIENT_SECRET", *FILES], indirect=True)
def test_they_are_good_for_a_configured_identity_where_it_is_strict(real, tmp_path):
    identity = {"name": "shop", "clientId": CLIENT, "clientSecret": "of its own"}
    policy = {"identity": "shop", "permissions": {"secrets": ["set", "get"]}}
    config = {"identities": [identity], "vaults": [{"name": "contoso-prod", "accessPolicies": [policy]}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run(real, "--strict", "--config", str(tmp_path / "config.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["appid"] == CLIENT


@pytest.mark.parametrize("real", ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"], indirect=True)
def test_where_it_is_strict_an_unknown_application_is_refused(real):
    done = run(real, "--strict")
    assert done.returncode == 1
    assert "AADSTS700016" in done.stderr and f"AZURE_CLIENT_ID {CLIENT} is no identity here" in done.stderr


def test_a_command_can_be_another_identity():
    done = run({"AZURE_CLIENT_SECRET": "real"}, "--identity", "nobody")
    assert done.returncode == 1
    assert "(Forbidden)" in done.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_real_credentials_stay_when_they_are_kept(name):
    show = [sys.executable, "-c", f"import os; print(os.environ.get({name!r}))"]
    env = environment() | {name: "real"}
    ask = lambda *options: subprocess.run(
        [binary(), "run", *options, "--", *show], env=env, capture_output=True, text=True, timeout=60
    ).stdout.strip()
    assert ask("--keep-secrets") == "real"
    assert ask().startswith("keyhaven-")


def test_nothing_is_put_where_nothing_was():
    show = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    env = {name: value for name, value in environment().items() if not name.startswith("AZURE_")}
    done = subprocess.run([binary(), "run", "--", *show], env=env, capture_output=True, text=True, timeout=60)
    assert not {*SECRETS, *FILES} & set(json.loads(done.stdout))
    assert os.path.basename(json.loads(done.stdout)["KEYHAVEN_READY_FILE"]) == "ready.json"
