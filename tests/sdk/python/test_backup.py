"""Backups: what was backed up comes back whole, in whichever server has the same backup key, and nowhere else."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient

from conftest import client_environment
from public_keys import encrypt
from server import CONFIG, GUARDED_VAULT, LIFECYCLE_VAULT, OPERATOR, Server

SHARED_KEY, OTHER_KEY = os.urandom(32).hex(), os.urandom(32).hex()
PLAINTEXT, DIGEST = b"wrapped once and for all", bytes(range(32))
MALFORMED = (400, "Malformed backup blob", "Backup blob is corrupt.")


@dataclass
class Clients:
    """Who works in a vault of a server of this module."""

    secrets: SecretClient
    keys: KeyClient
    operator: TokenCredential

    def operate(self, key: KeyVaultKey) -> CryptographyClient:
        """Leaves everything to the server."""
        return CryptographyClient(key.id, self.operator)


@contextlib.contextmanager
def started(home: Path, **options) -> Iterator[Server]:
    server = Server(home, **options).start()
    yield server
    server.stop()


@contextlib.contextmanager
def at(server: Server, source: str) -> Iterator[Clients]:
    """Clients in the environment of `server`, which they leave again."""
    with pytest.MonkeyPatch.context() as patches, contextlib.ExitStack() as opened:
        for name, value in client_environment(server, source).items():
            patches.setenv(name, value)
        credential = opened.enter_context(ManagedIdentityCredential())
        operator = opened.enter_context(ManagedIdentityCredential(client_id=OPERATOR["clientId"]))
        url = server.vault_url(LIFECYCLE_VAULT)
        secrets = opened.enter_context(SecretClient(url, credential))
        yield Clients(secrets, opened.enter_context(KeyClient(url, credential)), operator)


@dataclass
class Original:
    """What was there, and the backups of it."""

    versions: dict[str, list[tuple]]
    values: dict[str, str]
    keys: dict[str, dict[str, KeyVaultKey]]
    ciphertexts: dict[str, bytes]
    signatures: dict[str, bytes]
    blobs: dict[str, bytes]


def facts(properties) -> tuple:
    """Everything about a version that does not name its server."""
    given = (properties.enabled, properties.not_before, properties.expires_on, properties.tags or {})
    return properties.version, properties.created_on, properties.updated_on, given


def secret_facts(secrets: SecretClient) -> list[tuple]:
    return [(facts(one), one.content_type) for one in secrets.list_properties_of_secret_versions("secret")]


def key_facts(keys: KeyClient, name: str) -> list[tuple]:
    return [facts(one) for one in keys.list_properties_of_key_versions(name)]


@pytest.fixture(scope="module")
def original(source, tmp_path_factory) -> Original:
    """A secret, an RSA key and an EC key, each with three versions, of a server that is gone when they are restored."""
    settings = {"KEYHAVEN_BACKUP_KEY": SHARED_KEY}
    with started(tmp_path_factory.mktemp("original"), settings=settings) as server, at(server, source) as clients:
        tomorrow = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
        given = [{"content_type": "text/plain"}, {"tags": {"n": "2"}}, {"not_before": tomorrow, "expires_on": tomorrow}]
        set_secrets = [clients.secrets.set_secret("secret", f"value {n} ☃", **given[n]) for n in range(3)]
        make = {"rsa": lambda: clients.keys.create_rsa_key("rsa", size=2048, tags={"kind": "RSA"})}
        make["ec"] = lambda: clients.keys.create_ec_key("ec", expires_on=tomorrow)
        made = {name: [create() for _ in range(3)] for name, create in make.items()}
        signatures = {}
        for key in made["ec"]:
            with clients.operate(key) as client:
                signatures[key.properties.version] = client.sign(SignatureAlgorithm.es256, DIGEST).signature
        return Original(
            versions={
                "secret": secret_facts(clients.secrets),
                "rsa": key_facts(clients.keys, "rsa"),
                "ec": key_facts(clients.keys, "ec"),
            },
            values={secret.properties.version: secret.value for secret in set_secrets},
            keys={name: {key.properties.version: key for key in versions} for name, versions in made.items()},
            ciphertexts={key.properties.version: encrypt(key, "RSA-OAEP-256", PLAINTEXT) for key in made["rsa"]},
            signatures=signatures,
            blobs={
                "secret": clients.secrets.backup_secret("secret"),
                "rsa": clients.keys.backup_key("rsa"),
                "ec": clients.keys.backup_key("ec"),
            },
        )


@pytest.fixture(scope="module")
def another(original, tmp_path_factory) -> Iterator[Server]:
    """Another server, with the same backup key in a file, in a later second than everything that is restored there."""
    home = tmp_path_factory.mktemp("another")
    latest = max(made.timestamp() for (_, made, *_), _ in original.versions["secret"])
    latest = max(latest, *(made.timestamp() for name in ("rsa", "ec") for _, made, *_ in original.versions[name]))
    while time.time() < latest + 1:
        time.sleep(0.01)
    with started(home, config=with_backup_key(home, SHARED_KEY)) as server:
        yield server


def with_backup_key(home: Path, key: str) -> Path:
    """The configuration of the suite, and a backup key in a file."""
    file, config = home / "backup.key", home / "config.json"
    file.touch(mode=0o600)
    file.write_text(key)
    config.write_text(json.dumps(json.loads(CONFIG.read_text()) | {"backupKey": {"file": str(file)}}))
    return config


@pytest.fixture(scope="module")
def restored(original, another, source) -> dict[str, str]:
    """The versions that the restorations answered."""
    with at(another, source) as clients:
        secret = clients.secrets.restore_secret_backup(original.blobs["secret"])
        rsa, ec = (clients.keys.restore_key_backup(original.blobs[name]) for name in ("rsa", "ec"))
    return {"secret": secret.version, "rsa": rsa.properties.version, "ec": ec.properties.version}


@pytest.fixture
def there(another, restored, source) -> Iterator[Clients]:
    """Who works where everything was restored."""
    with at(another, source) as clients:
        yield clients


def test_a_secret_comes_back_with_every_version(original, there):
    assert len(original.versions["secret"]) == 3
    assert secret_facts(there.secrets) == original.versions["secret"]
    found = {version: there.secrets.get_secret("secret", version).value for version in original.values}
    assert found == original.values


def test_a_secret_comes_back_with_its_latest_version(original, there, restored):
    latest = list(original.values)[-1]
    assert restored["secret"] == there.secrets.get_secret("secret").properties.version == latest


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_a_key_comes_back_with_every_version(original, there, name):
    assert len(original.versions[name]) == 3
    assert key_facts(there.keys, name) == original.versions[name]
    for version, key in original.keys[name].items():
        found = there.keys.get_key(name, version)
        assert (found.key_type, found.key_operations) == (key.key_type, key.key_operations)
        assert [getattr(found.key, part) for part in ("n", "e", "crv", "x", "y")] == [
            getattr(key.key, part) for part in ("n", "e", "crv", "x", "y")
        ]


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_a_key_comes_back_with_its_latest_version(original, there, restored, name):
    latest = list(original.keys[name])[-1]
    assert restored[name] == there.keys.get_key(name).properties.version == latest


def test_every_version_decrypts_what_was_encrypted_before(original, there):
    for version, ciphertext in original.ciphertexts.items():
        with there.operate(there.keys.get_key("rsa", version)) as client:
            assert client.decrypt(EncryptionAlgorithm.rsa_oaep_256, ciphertext).plaintext == PLAINTEXT


def test_every_version_verifies_what_it_signed_before_and_nothing_else(original, there):
    for version in original.signatures:
        with there.operate(there.keys.get_key("ec", version)) as client:
            verified = {
                signer: client.verify(SignatureAlgorithm.es256, DIGEST, signature).is_valid
                for signer, signature in original.signatures.items()
            }
            assert verified == {signer: signer == version for signer in original.signatures}


def test_a_server_with_another_backup_key_refuses(original, source, tmp_path):
    settings = {"KEYHAVEN_BACKUP_KEY": OTHER_KEY}
    with started(tmp_path, settings=settings) as server, at(server, source) as clients:
        assert refusal(lambda: clients.secrets.restore_secret_backup(original.blobs["secret"])) == MALFORMED
        for name in ("rsa", "ec"):
            assert refusal(lambda: clients.keys.restore_key_backup(original.blobs[name])) == MALFORMED
        assert list(clients.secrets.list_properties_of_secrets()) == list(clients.keys.list_properties_of_keys()) == []


@dataclass
class Kind:
    """How keys or secrets are made, backed up and brought back."""

    name: str
    make: Callable
    identify: Callable
    backup: Callable
    restore: Callable
    delete: Callable
    purge: Callable


def secrets_in(client: SecretClient) -> Kind:
    return Kind(
        name="secret",
        make=lambda name: client.set_secret(name, "backed up").properties.version,
        identify=lambda name: client.get_secret(name).properties.version,
        backup=lambda name: client.backup_secret(name),
        restore=lambda blob: client.restore_secret_backup(blob).version,
        delete=lambda name: client.begin_delete_secret(name).wait(),
        purge=lambda name: client.purge_deleted_secret(name),
    )


def keys_in(client: KeyClient) -> Kind:
    return Kind(
        name="key",
        make=lambda name: client.create_ec_key(name).properties.version,
        identify=lambda name: client.get_key(name).properties.version,
        backup=lambda name: client.backup_key(name),
        restore=lambda blob: client.restore_key_backup(blob).properties.version,
        delete=lambda name: client.begin_delete_key(name).wait(),
        purge=lambda name: client.purge_deleted_key(name),
    )


@pytest.fixture(params=[(secrets_in, SecretClient), (keys_in, KeyClient)], ids=["secret", "key"])
def of_vault(request, clients) -> Callable[[str], Kind]:
    """The secrets or keys of a vault of the suite's own server, to which nobody gave a backup key."""
    kind, client = request.param
    return lambda vault: kind(clients(client, vault))


@pytest.fixture
def objects(of_vault) -> Kind:
    return of_vault(LIFECYCLE_VAULT)


def test_what_was_purged_comes_back(objects):
    version = objects.make("insured")
    blob = objects.backup("insured")
    objects.delete("insured")
    objects.purge("insured")
    assert refusal(lambda: objects.identify("insured"), ResourceNotFoundError)[0] == 404
    assert objects.restore(blob) == objects.identify("insured") == version


def test_a_backup_is_restored_into_another_vault(objects, of_vault):
    version = objects.make("moved")
    elsewhere = of_vault(GUARDED_VAULT)
    assert elsewhere.restore(objects.backup("moved")) == elsewhere.identify("moved") == version
    assert objects.identify("moved") == version


def test_a_taken_name_is_a_conflict(objects):
    objects.make("taken")
    blob = objects.backup("taken")
    latest = objects.make("taken")
    status, code, message = refusal(lambda: objects.restore(blob), ResourceExistsError)
    assert (status, code) == (409, "Conflict")
    assert message.startswith(f"There was a conflict restoring the {objects.name} 'https://{LIFECYCLE_VAULT}.")
    assert objects.identify("taken") == latest


def test_a_deleted_name_is_a_conflict_too(objects):
    objects.make("deleted-meanwhile")
    blob = objects.backup("deleted-meanwhile")
    objects.delete("deleted-meanwhile")
    with pytest.raises(ResourceExistsError) as refused:
        objects.restore(blob)
    assert refused.value.error.innererror["code"] == "ObjectIsDeletedButRecoverable"


def test_what_is_not_there_is_not_backed_up(objects):
    objects.make("no-more")
    objects.delete("no-more")
    for name in ("no-more", "never-made"):
        status, code, _ = refusal(lambda: objects.backup(name), ResourceNotFoundError)
        assert (status, code) == (404, f"{objects.name.capitalize()}NotFound")


def test_a_damaged_backup_is_refused(objects):
    objects.make("damaged")
    blob = objects.backup("damaged")
    objects.delete("damaged")
    objects.purge("damaged")
    damaged = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(0, len(blob), 50)]
    damaged += [blob[:-1], blob[:40], blob + b"x", b"no backup at all"]
    for one in damaged:
        assert refusal(lambda: objects.restore(one)) == MALFORMED
    assert refusal(lambda: objects.identify("damaged"), ResourceNotFoundError)[0] == 404


def test_a_backup_is_of_a_key_or_of_a_secret(clients):
    secrets, keys = clients(SecretClient, LIFECYCLE_VAULT), clients(KeyClient, LIFECYCLE_VAULT)
    secrets.set_secret("a-secret", "backed up"), keys.create_ec_key("a-key")
    secret, key = secrets.backup_secret("a-secret"), keys.backup_key("a-key")
    assert refusal(lambda: keys.restore_key_backup(secret)) == MALFORMED
    assert refusal(lambda: secrets.restore_secret_backup(key)) == MALFORMED


def test_a_backup_shows_no_value(clients):
    secrets = clients(SecretClient, LIFECYCLE_VAULT)
    secrets.set_secret("sealed", "correct-horse-battery-staple")
    blob = secrets.backup_secret("sealed")
    assert b"correct-horse" not in blob and b"Y29ycmVjdC1ob3JzZS" not in blob


def refusal(call, error=HttpResponseError) -> tuple[int, str, str]:
    with pytest.raises(error) as refused:
        call()
    return refused.value.status_code, refused.value.error.code, refused.value.error.message
