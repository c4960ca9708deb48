"""Everything that this suite has made, saved and brought back. It runs last, so that everything is there."""

import shutil
import subprocess
from collections.abc import Callable

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient

from conftest import client_environment
from server import PLAIN_VAULT, Server, binary, environment


def keyhaven(server: Server, *words: str) -> str:
    """What a command says that is sent to `server`."""
    command = [binary(), *words, "--data", str(server.data)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(server: Server, credential: ManagedIdentityCredential) -> dict[str, list]:
    """Everything that is to be seen in every vault of `server`; nothing that names its address."""
    found: dict[str, list] = {}
    for vault in server.ready["vaults"]:
        url = server.vault_url(vault)
        with KeyClient(url, credential) as keys, SecretClient(url, credential) as secrets:
            found[f"{vault}: keys"] = listed(lambda: keys_of(keys))
            found[f"{vault}: secrets"] = listed(lambda: secrets_of(secrets))
            if vault != PLAIN_VAULT:
                found[f"{vault}: deleted keys"] = listed(lambda: deleted(keys.list_deleted_keys()))
                found[f"{vault}: deleted secrets"] = listed(lambda: deleted(secrets.list_deleted_secrets()))
    return found


def listed(items: Callable[[], list]) -> list:
    """The items, or that they may not be seen: not every vault lets everything be listed."""
    try:
        return items()
    except HttpResponseError as refused:
        assert refused.status_code == 403
        return ["not to be seen"]


def facts(properties) -> tuple:
    return properties.name, properties.version, properties.enabled, properties.created_on, properties.updated_on


def keys_of(keys: KeyClient) -> list:
    versions = [keys.list_properties_of_key_versions(one.name) for one in keys.list_properties_of_keys()]
    return [facts(version) for one in versions for version in one]


def secrets_of(secrets: SecretClient) -> list:
    versions = [secrets.list_properties_of_secret_versions(one.name) for one in secrets.list_properties_of_secrets()]
    return [(*facts(version), value(secrets, version)) for one in versions for version in one]


def value(secrets: SecretClient, version) -> str | None:
    return secrets.get_secret(version.name, version.version).value if version.enabled else None


def deleted(items) -> list:
    return [(one.name, one.deleted_date, one.scheduled_purge_date) for one in items]


def test_all_the_suites_objects_come_back_here_and_elsewhere(server, credential, source, tmp_path):
    before = contents(server, credential)
    assert sum(map(len, before.values())) > 300, "the suite has made plenty"
    assert all(before[f"{vault}: secrets"] for vault in ("factory-vault", "paging-vault", "lifecycle-vault"))
    file = str(tmp_path / "all.snapshot")
    keyhaven(server, "snapshot", "save", file)

    keyhaven(server, "reset")
    emptied = contents(server, credential)
    assert [items for items in emptied.values() if items not in ([], ["not to be seen"])] == []
    keyhaven(server, "snapshot", "load", file)
    assert contents(server, credential) == before

    other = Server(tmp_path)
    other.data.mkdir(mode=0o700)
    shutil.copy(server.data / "backup.key", other.data)
    other.start()
    keyhaven(other, "snapshot", "load", file)
    with pytest.MonkeyPatch.context() as patches:
        for name, setting in client_environment(other, source).items():
            patches.setenv(name, setting)
        with ManagedIdentityCredential() as there:
            assert contents(other, there) == before
    other.stop()
