"""An identity without the permission: refused, and told which permission is missing."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyRotationPolicy
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient

from public_keys import encrypt
from server import FACTORY, READER, STRANGER

KEY_CALLS = {
    "keys/create": lambda client: client.create_rsa_key("refused", size=2048),
    "keys/get": lambda client: client.get_key("refused"),
    "keys/update": lambda client: client.update_key_properties("refused", enabled=False),
    "keys/list": lambda client: list(client.list_properties_of_keys()),
    "keys/delete": lambda client: client.begin_delete_key("refused"),
    "keys/recover": lambda client: client.begin_recover_deleted_key("refused"),
    "keys/purge": lambda client: client.purge_deleted_key("refused"),
    "keys/rotate": lambda client: client.rotate_key("refused"),
    "keys/getrotationpolicy": lambda client: client.get_key_rotation_policy("refused"),
    "keys/setrotationpolicy": lambda client: client.update_key_rotation_policy("refused", KeyRotationPolicy()),
    "keys/backup": lambda client: client.backup_key("refused"),
    "keys/restore": lambda client: client.restore_key_backup(b"a backup"),
}
SECRET_CALLS = {
    "secrets/set": lambda client: client.set_secret("refused", "value"),
    "secrets/get": lambda client: client.get_secret("refused"),
    "secrets/list": lambda client: list(client.list_properties_of_secrets()),
    "secrets/delete": lambda client: client.begin_delete_secret("refused"),
    "secrets/recover": lambda client: client.begin_recover_deleted_secret("refused"),
    "secrets/purge": lambda client: client.purge_deleted_secret("refused"),
    "secrets/backup": lambda client: client.backup_secret("refused"),
    "secrets/restore": lambda client: client.restore_secret_backup(b"a backup"),
}
CRYPTO_CALLS = {
    "keys/encrypt": lambda client, wrapped: client.encrypt("RSA-OAEP-256", b"0"),
    "keys/decrypt": lambda client, wrapped: client.decrypt("RSA-OAEP-256", wrapped),
    "keys/wrapKey": lambda client, wrapped: client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"0"),
    "keys/unwrapKey": lambda client, wrapped: client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped),
    "keys/sign": lambda client, wrapped: client.sign(SignatureAlgorithm.rs256, b"0" * 32),
    "keys/verify": lambda client, wrapped: client.verify(SignatureAlgorithm.rs256, b"0" * 32, b"1" * 256),
}


@pytest.fixture(scope="module")
def existing(keys, secrets):
    """What the refused calls ask for does exist: so the answer tells of the permission and of nothing else."""
    secrets.set_secret("refused", "there")
    return keys.create_rsa_key("refused", size=2048)


@pytest.mark.parametrize("permission", KEY_CALLS)
def test_keys_are_refused(existing, server, stranger, permission):
    with KeyClient(server.vault_url(), stranger) as client:
        assert_refused(lambda: KEY_CALLS[permission](client), permission)


def test_the_versions_of_a_key_are_refused(existing, server, stranger):
    with KeyClient(server.vault_url(), stranger) as client:
        assert_refused(lambda: list(client.list_properties_of_key_versions("refused")), "keys/list")


@pytest.mark.parametrize("permission", SECRET_CALLS)
def test_secrets_are_refused(existing, server, stranger, permission):
    with SecretClient(server.vault_url(), stranger) as client:
        assert_refused(lambda: SECRET_CALLS[permission](client), permission)


def test_deleted_objects_are_refused(existing, server, stranger):
    with KeyClient(server.vault_url(), stranger) as client:
        assert_refused(lambda: client.get_deleted_key("refused"), "keys/get")
        assert_refused(lambda: list(client.list_deleted_keys()), "keys/list")
    with SecretClient(server.vault_url(), stranger) as client:
        assert_refused(lambda: client.get_deleted_secret("refused"), "secrets/get")
        assert_refused(lambda: list(client.list_deleted_secrets()), "secrets/list")


def test_all_permissions_are_not_that_to_purge(existing, keys, secrets):
    """The service's "all" leaves it out, so that nobody has it who was not meant to."""
    assert_refused(lambda: keys.purge_deleted_key("refused"), "keys/purge", FACTORY)
    assert_refused(lambda: secrets.purge_deleted_secret("refused"), "secrets/purge", FACTORY)


@pytest.mark.parametrize("permission", CRYPTO_CALLS)
def test_using_a_key_is_refused(existing, stranger, permission):
    wrapped = encrypt(existing, "RSA-OAEP-256", b"0")
    with CryptographyClient(existing.id, stranger) as client:
        assert_refused(lambda: CRYPTO_CALLS[permission](client, wrapped), permission)


def test_what_is_not_there_is_refused_alike(server, stranger):
    """Nobody without the permission learns which names exist."""
    with KeyClient(server.vault_url(), stranger) as client:
        assert_refused(lambda: client.get_key("never-made"), "keys/get")


def test_nothing_was_changed(existing, keys, secrets):
    read = keys.get_key("refused")
    assert (read.id, read.properties.enabled) == (existing.id, True)
    assert secrets.get_secret("refused").value == "there"


def test_who_may_only_read_cannot_write(existing, server):
    with ManagedIdentityCredential(client_id=READER["clientId"]) as reader:
        with KeyClient(server.vault_url(), reader) as client:
            assert client.get_key("refused").id == existing.id
            assert_refused(lambda: client.create_rsa_key("refused"), "keys/create", READER)
        with CryptographyClient(existing, reader) as client:
            wrapped = client.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"0").encrypted_key  # by the client itself
            assert_refused(lambda: client.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped), "keys/unwrapKey", READER)


def assert_refused(call, permission: str, who: dict = STRANGER) -> None:
    with pytest.raises(HttpResponseError) as refused:
        call()
    error = refused.value.error
    assert (refused.value.status_code, error.code, error.innererror["code"]) == (403, "Forbidden", "ForbiddenByPolicy")
    assert refused.value.response.headers["x-keyhaven-missing"] == permission
    assert f"oid={who['objectId']}" in error.message
