"""Time that is moved: retention to its end with clients that stay signed in, and everything brought back as it was."""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm
from azure.keyvault.secrets import SecretClient

from admin import Admin
from conftest import client_environment
from public_keys import encrypt
from server import GUARDED_VAULT, VAULT, Server

START = datetime(2030, 1, 1, tzinfo=timezone.utc)
BACKUP_KEY = os.urandom(32).hex()


class World:
    """A server of the test's own with a virtual clock, and clients that sign in once."""

    def __init__(self, server: Server, credential: ManagedIdentityCredential, vault: str):
        url = server.vault_url(vault)
        self.admin = Admin(server)
        self.credential = credential
        self.secrets, self.keys = SecretClient(url, credential), KeyClient(url, credential)

    def close(self) -> None:
        self.secrets.close()
        self.keys.close()


@contextlib.contextmanager
def world(home: Path, source: str, vault: str) -> Iterator[World]:
    home.mkdir(exist_ok=True)
    settings = {"KEYHAVEN_CLOCK": f"virtual={START:%Y-%m-%dT%H:%M:%SZ}", "KEYHAVEN_BACKUP_KEY": BACKUP_KEY}
    server = Server(home, settings=settings).start()
    with pytest.MonkeyPatch.context() as patches:
        for name, value in client_environment(server, source).items():
            patches.setenv(name, value)
        with ManagedIdentityCredential() as credential:
            with contextlib.closing(World(server, credential, vault)) as found:
                yield found
    server.stop()


def test_a_retention_is_lived_through_with_everybody_signed_in_throughout(source, tmp_path, wire):
    with world(tmp_path, source, GUARDED_VAULT) as here:
        here.admin.ask("POST", "clock", {"freeze": True})
        here.secrets.set_secret("password", "hush")
        here.keys.create_ec_key("cmk")
        signed_in = len(wire.exchanges)
        for client, name in ((here.secrets, "secret"), (here.keys, "key")):
            object_name = {"secret": "password", "key": "cmk"}[name]
            getattr(client, f"begin_delete_{name}")(object_name).wait()
            with pytest.raises(HttpResponseError) as refused:
                getattr(client, f"purge_deleted_{name}")(object_name)
            assert refused.value.status_code == 403
        assert here.admin.advance("P89D") == 0
        here.secrets.begin_recover_deleted_secret("password").wait()
        here.keys.begin_recover_deleted_key("cmk").wait()
        assert here.secrets.get_secret("password").value == "hush"

        deleted = here.secrets.begin_delete_secret("password").result()
        here.keys.begin_delete_key("cmk").wait()
        now = datetime.fromisoformat(here.admin.ask("GET", "clock")["now"])
        assert deleted.deleted_date == now
        assert deleted.scheduled_purge_date == now + timedelta(days=90)
        assert here.admin.advance("P89D") == 0
        assert [one.name for one in here.secrets.list_deleted_secrets()] == ["password"]
        assert here.admin.advance("P1D") == 2

        assert list(here.secrets.list_deleted_secrets()) == list(here.keys.list_deleted_keys()) == []
        assert list(here.secrets.list_properties_of_secrets()) == list(here.keys.list_properties_of_keys()) == []
        with pytest.raises(ResourceNotFoundError):
            here.secrets.get_deleted_secret("password")
        assert here.secrets.set_secret("password", "new").value == "new"
        assert len(list(here.secrets.list_properties_of_secret_versions("password"))) == 1
        here.keys.create_ec_key("cmk")
        assert [one.status for one in wire.exchanges[signed_in:] if one.status == 401] == [], "nobody signed in again"


def test_keys_expire_by_the_vaults_clock_and_dates_are_its(source, tmp_path):
    with world(tmp_path, source, VAULT) as here:
        key = here.keys.create_rsa_key("window", expires_on=START + timedelta(days=10))
        assert abs(key.properties.created_on - START) < timedelta(minutes=5)
        here.admin.advance("P9D")
        ciphertext = encrypt(key, "RSA-OAEP", b"data")
        with CryptographyClient(key.id, here.credential) as cryptography:
            assert cryptography.decrypt(EncryptionAlgorithm.rsa_oaep, ciphertext).plaintext == b"data"
        here.admin.advance("P2D")
        assert here.keys.get_key("window").properties.expires_on == START + timedelta(days=10)
        with CryptographyClient(key.id, here.credential) as cryptography:
            decrypted = cryptography.decrypt(EncryptionAlgorithm.rsa_oaep, ciphertext)
            assert decrypted.plaintext == b"data", "what was made before can be read"


def test_a_snapshot_brings_everything_back_here_and_elsewhere(source, tmp_path):
    with world(tmp_path / "here", source, VAULT) as here:
        versions = [here.secrets.set_secret("kept", f"value {n}").properties.version for n in range(30)]
        key = here.keys.create_rsa_key("kept", hardware_protected=True)
        ciphertext = encrypt(key, "RSA-OAEP", b"data")
        here.secrets.set_secret("gone", "v")
        here.secrets.begin_delete_secret("gone").wait()
        here.admin.advance("P3D")
        snapshot = here.admin.ask("GET", "snapshot")

        here.admin.ask("POST", "reset")
        assert list(here.secrets.list_properties_of_secrets()) == list(here.secrets.list_deleted_secrets()) == []
        here.secrets.set_secret("other", "v")
        here.admin.ask("PUT", "snapshot", snapshot)
        is_all_there(here, versions, key, ciphertext)
    with world(tmp_path / "there", source, VAULT) as there:
        there.admin.ask("PUT", "snapshot", snapshot)
        is_all_there(there, versions, key, ciphertext)


def is_all_there(world: World, versions: list[str], key, ciphertext: bytes) -> None:
    """Whether `world` holds what was saved, and nothing else."""
    assert [one.name for one in world.secrets.list_properties_of_secrets()] == ["kept"]
    assert [one.name for one in world.secrets.list_deleted_secrets()] == ["gone"]
    listed = world.secrets.list_properties_of_secret_versions("kept")
    assert [one.version for one in listed] == sorted(versions)
    for number in (0, 15, 29):
        assert world.secrets.get_secret("kept", versions[number]).value == f"value {number}"
    found = world.keys.get_key("kept")
    assert (found.properties.version, found.key.n) == (key.properties.version, key.key.n)
    with CryptographyClient(found, world.credential) as cryptography:
        assert cryptography.decrypt(EncryptionAlgorithm.rsa_oaep, ciphertext).plaintext == b"data"
