"""The asynchronous clients (aiohttp), which find trust and proxy in other variables than the synchronous ones."""

import asyncio
import contextlib
import uuid

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity.aio import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.keys.aio import KeyClient
from azure.keyvault.keys.crypto import KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.keys.crypto.aio import CryptographyClient
from azure.keyvault.secrets.aio import SecretClient

import conftest
from conftest import NOBODY, TENANT, VAULT_URL, federated_token, identities

DATA_KEY = bytes(range(32))


async def use_keys(credential, name: str) -> None:
    async with KeyClient(VAULT_URL, credential) as client:
        key = await client.create_rsa_key(name, size=2048)
        async with CryptographyClient(key, credential) as cryptography:
            wrapped = await cryptography.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY)
            unwrapped = await cryptography.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key)
            assert unwrapped.key == DATA_KEY
            signed = await cryptography.sign(SignatureAlgorithm.rs256, bytes(32))
            assert (await cryptography.verify(SignatureAlgorithm.rs256, bytes(32), signed.signature)).is_valid
        assert name in [listed.name async for listed in client.list_properties_of_keys()]
        deleted = await client.delete_key(name)
        assert deleted.recovery_id == f"{VAULT_URL}/deletedkeys/{name}"
        assert (await client.recover_deleted_key(name)).id == key.id


async def use_secrets(credential, name: str) -> None:
    async with SecretClient(VAULT_URL, credential) as client:
        first = await client.set_secret(name, "one")
        await client.set_secret(name, "two")
        assert (await client.get_secret(name)).value == "two"
        assert (await client.get_secret(name, first.properties.version)).value == "one"


def use_the_vault(make, name: str) -> None:
    """`make` makes the credential inside the loop that uses it."""

    async def use() -> None:
        async with make() as credential:
            await use_keys(credential, name)
            await use_secrets(credential, name)

    asyncio.run(use())


@pytest.mark.parametrize("source", [conftest.app_service, conftest.imds], indirect=True)
def test_the_default_credential(source, request):
    use_the_vault(DefaultAzureCredential, conftest.name(request))


@pytest.mark.parametrize("kind", ["system", "client_id", "object_id", "resource_id"])
@pytest.mark.parametrize("source", [conftest.app_service, conftest.imds, conftest.arc], indirect=True)
def test_managed_identities(source, kind, request):
    identity = identities()["default"]
    options = {
        "system": {},
        "client_id": {"client_id": identity["clientId"]},
        "object_id": {"identity_config": {"object_id": identity["objectId"]}},
        "resource_id": {"identity_config": {"resource_id": identity["resourceId"]}},
    }[kind]
    use_the_vault(lambda: ManagedIdentityCredential(**options), conftest.name(request))


def test_a_client_secret(nothing_managed, request):
    use_the_vault(lambda: ClientSecretCredential(TENANT, str(uuid.uuid4()), "production"), conftest.name(request))


def test_workload_identity(nothing_managed, tmp_path, request):
    options = {
        "tenant_id": TENANT,
        "client_id": identities()["default"]["clientId"],
        "token_file_path": str(federated_token(tmp_path, "default")),
    }
    use_the_vault(lambda: WorkloadIdentityCredential(**options), conftest.name(request))


def test_an_identity_without_permission_is_refused(nothing_managed):
    async def ask() -> None:
        async with contextlib.AsyncExitStack() as stack:
            credential = await stack.enter_async_context(ManagedIdentityCredential(client_id=NOBODY))
            client = await stack.enter_async_context(SecretClient(VAULT_URL, credential))
            await client.get_secret("any")

    with pytest.raises(HttpResponseError) as refused:
        asyncio.run(ask())
    assert (refused.value.status_code, refused.value.error.code) == (403, "Forbidden")
