"""Production code, unchanged, inside `keyhaven run`: it says `https://contoso-prod.vault.azure.net`, and everything else it
finds in its environment. A test chooses where the credential comes from by taking other variables away, never by an
option of a client.
"""

import hashlib
import json
import os
import ssl
import subprocess
import urllib.request
from pathlib import Path

import pytest

VAULT_URL = "https://contoso-prod.vault.azure.net"
NOBODY = "6b9e7c1a-0000-4000-8000-00000000c11f"  # the built-in identity that no policy names
TENANT = os.environ["AZURE_TENANT_ID"]
CLIENT_ID = os.environ["AZURE_CLIENT_ID"]

MANAGED = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST")
CREDENTIALS = ("AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_ID")


@pytest.fixture(scope="session", autouse=True)
def inside_run() -> None:
    """The suite is worth nothing anywhere else: its clients would ask the real Azure."""
    assert os.environ.get("HTTPS_PROXY", "").startswith("http://127.0.0.1:"), "start it with tests/sdk/run python"


def ready() -> dict:
    return json.loads(Path(os.environ["KEYHAVEN_READY_FILE"]).read_text())


def thumbprint(port: int) -> str:
    """The SHA-1 of the certificate that the server shows as `localhost`: how Service Fabric's clients know it."""
    pem = ssl.get_server_certificate(("localhost", port), timeout=10)
    return hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def app_service() -> dict[str, str]:
    return {name: os.environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}


def imds() -> dict[str, str]:
    """Nothing: the client asks 169.254.169.254, which is Keyhaven through the proxy."""
    return {}


def arc() -> dict[str, str]:
    base = f"http://{ready()['identity']}/arc"
    return {"IDENTITY_ENDPOINT": f"{base}/metadata/identity/oauth2/token", "IMDS_ENDPOINT": base}


def service_fabric() -> dict[str, str]:
    port = int(ready()["listen"].rsplit(":", 1)[1])
    return {
        "IDENTITY_ENDPOINT": f"https://localhost:{port}/fabric/metadata/identity/oauth2/token",
        "IDENTITY_HEADER": os.environ["IDENTITY_HEADER"],
        "IDENTITY_SERVER_THUMBPRINT": thumbprint(port),
    }


@pytest.fixture
def source(request, monkeypatch) -> str:
    """Leaves one source of managed identities in the environment; the parameter is one of the functions above."""
    variables = request.param()
    for name in MANAGED + CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return request.param.__name__


@pytest.fixture
def nothing_managed(monkeypatch) -> pytest.MonkeyPatch:
    """No source of managed identities and no credentials; what is left is for the test to set."""
    for name in MANAGED + CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def identities() -> dict[str, dict]:
    """The identities there are, by name, as the admin API tells."""
    return {identity["name"]: identity for identity in json.loads(keyhaven("identity", "list", "--json"))["identities"]}


def keyhaven(*arguments: str) -> str:
    """What a client command of Keyhaven prints; inside `run` it finds the server by itself."""
    command = [os.environ["KEYHAVEN_BIN"], *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def application(name: str, secret: str) -> str:
    """An application that is configured with a secret, as the configuration file would have it: its client id."""
    return admin("POST", "/admin/identities", {"name": name, "clientSecret": secret})["clientId"]


def change(name: str, **members: object) -> None:
    """Changes an identity while the server runs."""
    admin("PATCH", f"/admin/identities/{name}", members)


def admin(method: str, path: str, body: dict) -> dict:
    key = {"Authorization": f"Bearer {os.environ['KEYHAVEN_ADMIN_KEY']}"}
    url = os.environ["KEYHAVEN_ADMIN_URL"] + path
    request = urllib.request.Request(url, json.dumps(body).encode(), key, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def federated_token(directory: Path, name: str) -> Path:
    """A file with a federated token of the identity called `name`, as a cluster would mount it."""
    file = directory / "token"
    file.write_text(keyhaven("identity", "token", name, "--federated") + "\n")
    return file


def name(request) -> str:
    """A name for the objects of one test."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name).strip("-")[:100]
