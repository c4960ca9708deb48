"""Signing in: which identity a credential gets, and what happens when there is none."""

import base64
import json
import time
import uuid
from urllib.parse import urlsplit

import certifi
import pytest
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError, ServiceRequestError
from azure.identity import CredentialUnavailableError, DefaultAzureCredential, ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient

from server import FACTORY, READER, TENANT

CREDENTIALS = {
    "system-assigned": (lambda: ManagedIdentityCredential(), FACTORY),
    "client-id": (lambda: ManagedIdentityCredential(client_id=READER["clientId"]), READER),
    "object-id": (lambda: ManagedIdentityCredential(identity_config={"object_id": READER["objectId"]}), READER),
    "resource-id": (lambda: ManagedIdentityCredential(identity_config={"resource_id": READER["resourceId"]}), READER),
    "default": (lambda: DefaultAzureCredential(), FACTORY),
    "default-of-the-environment": (lambda: DefaultAzureCredential(), READER),
}


@pytest.fixture(params=CREDENTIALS)
def signed_in(request, server, monkeypatch):
    """A credential, and the identity it must turn out to be."""
    make, identity = CREDENTIALS[request.param]
    if request.param == "default-of-the-environment":
        monkeypatch.setenv("AZURE_CLIENT_ID", identity["clientId"])
    with make() as credential:
        yield credential, identity


def test_the_token_is_of_the_identity_asked_for(signed_in, server):
    credential, identity = signed_in
    resource = f"https://vault.localhost:{urlsplit(server.vault_url()).port}"
    token = credential.get_token(f"{resource}/.default")
    claims = claims_of(token.token)
    assert (claims["oid"], claims["appid"], claims["tid"]) == (identity["objectId"], identity["clientId"], TENANT)
    assert claims["aud"] == resource
    assert claims["exp"] > time.time() + 300
    assert abs(token.expires_on - claims["exp"]) <= 5  # a client of the metadata service counts from its own now


def test_every_credential_opens_the_vault(signed_in, server, keys, secrets):
    credential, _ = signed_in
    made, written = keys.create_rsa_key("for-credentials", size=2048), secrets.set_secret("for-credentials", "open")
    with KeyClient(server.vault_url(), credential) as client:
        assert client.get_key("for-credentials").id == made.id
    with SecretClient(server.vault_url(), credential) as client:
        assert client.get_secret("for-credentials").id == written.id


def test_an_unknown_client_id_is_no_identity(server):
    started = time.monotonic()
    with ManagedIdentityCredential(client_id=str(uuid.uuid4())) as credential:
        with KeyClient(server.vault_url(), credential) as client:
            with pytest.raises((CredentialUnavailableError, ClientAuthenticationError)):
                client.get_key("any")
    assert time.monotonic() - started < 5, "the answer made the client try again and again"


def test_the_default_chain_ends_where_the_identity_is_unknown(server, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_ID", str(uuid.uuid4()))
    with DefaultAzureCredential() as credential:
        with pytest.raises((CredentialUnavailableError, ClientAuthenticationError)):
            credential.get_token("https://vault.azure.net/.default")


def test_a_host_that_is_no_vault_is_not_found(server, credential):
    port = urlsplit(server.vault_url()).port
    with KeyClient(f"https://no-such-vault.vault.localhost:{port}", credential) as client:
        with pytest.raises(ResourceNotFoundError) as refused:
            client.get_key("any")
    assert refused.value.error.code == "VaultNotFound"


def test_a_client_that_does_not_trust_the_authority_refuses_the_server(server, credential, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with KeyClient(server.vault_url(), credential, retry_total=0) as client:
        with pytest.raises(ServiceRequestError, match="CERTIFICATE_VERIFY_FAILED"):
            client.get_key("any")


def claims_of(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
