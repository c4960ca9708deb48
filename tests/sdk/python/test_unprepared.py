"""What the client says where it was not told of the server, as docs/troubleshooting.md looks it up.

Each program runs without network, so that none can ask a metadata service that may be there.
"""

import os
import subprocess
import sys

import pytest

TOKEN = """
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
for credential in (DefaultAzureCredential(), ManagedIdentityCredential()):
    try:
        credential.get_token("https://vault.azure.net/.default")
    except Exception as error:
        print(error)
"""
SECRET = """
import sys
from azure.core.credentials import AccessToken
from azure.keyvault.secrets import SecretClient

class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken("none", 2**33)

try:
    SecretClient(sys.argv[1], Credential(), retry_total=0).get_secret("a")
except Exception as error:
    print(error)
"""
LONE = ("unshare", "-rnm", "sh", "-c")
# Names come from /etc/hosts alone, as where nothing resolves names below localhost.
NAMELESS = (*LONE, 'printf "hosts: files" > "$0" && mount --bind "$0" /etc/nsswitch.conf && exec "$@"')


def said(*command, **variables) -> str:
    """What a command prints in an environment with nothing but these variables."""
    env = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_no_credential_is_found():
    printed = said(*LONE, 'exec "$0" "$@"', sys.executable, "-c", TOKEN)
    assert "DefaultAzureCredential failed to retrieve a token" in printed
    assert "ManagedIdentityCredential authentication unavailable" in printed


def test_a_vault_is_not_resolved(tmp_path):
    url = "https://local.vault.localhost:8443"
    printed = said(*NAMELESS, tmp_path / "names", sys.executable, "-c", SECRET, url)
    assert "Failed to resolve 'local.vault.localhost'" in printed, printed


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem", "Could not find a suitable TLS CA certificate bundle, invalid path"),
        ("HTTPS_PROXY", "http://127.0.0.1:9", "Unable to connect to proxy"),
    ],
)
def test_a_variable_is_left_of_a_server_that_is_gone(variable, value, text):
    printed = said(sys.executable, "-c", SECRET, "https://local.vault.azure.net", **{variable: value})
    assert text in printed, printed


def test_localhost_is_no_vault_to_the_client(server):
    port = server.ready["listen"].rsplit(":", 1)[1]
    bundle = server.ready["env"]["REQUESTS_CA_BUNDLE"]
    printed = said(sys.executable, "-c", SECRET, f"https://localhost:{port}", REQUESTS_CA_BUNDLE=bundle)
    assert "The challenge resource 'vault.azure.net' does not match the requested domain" in printed, printed
