"""`az keyvault secret`, from set to purge."""

import pytest

VAULT = ("--vault-name", "contoso-prod")
COPY = ("--vault-name", "contoso-copy")
LISTS = ("--vault-name", "contoso-lists")


def test_a_secret_has_versions(az):
    name = ("-n", "versions")
    first = az("keyvault", "secret", "set", *VAULT, *name, "--value", "one", "--tags", "stage=test")
    second = az("keyvault", "secret", "set", *VAULT, *name, "--value", "two")
    assert first["id"].startswith("https://contoso-prod.vault.azure.net/secrets/versions/")
    assert (first["value"], first["tags"]) == ("one", {"stage": "test", "file-encoding": "utf-8"})
    assert second["id"] != first["id"]
    assert az("keyvault", "secret", "show", *VAULT, *name)["value"] == "two"
    old = first["id"].rsplit("/", 1)[1]
    assert az("keyvault", "secret", "show", *VAULT, *name, "--version", old)["value"] == "one"
    versions = az("keyvault", "secret", "list-versions", *VAULT, *name)
    assert {version["id"] for version in versions} == {first["id"], second["id"]}


def test_a_secret_is_listed_deleted_recovered_and_purged(az):
    name = ("-n", "life")
    assert az("keyvault", "secret", "list", *LISTS) == []
    az("keyvault", "secret", "set", *LISTS, *name, "--value", "kept")
    assert [secret["name"] for secret in az("keyvault", "secret", "list", *LISTS)] == ["life"]

    deleted = az("keyvault", "secret", "delete", *LISTS, *name)
    assert deleted["recoveryId"] == "https://contoso-lists.vault.azure.net/deletedsecrets/life"
    gone = az.refused("keyvault", "secret", "show", *LISTS, *name)
    assert (gone.exit, gone.code) == (3, "SecretNotFound")
    assert [secret["name"] for secret in az("keyvault", "secret", "list-deleted", *LISTS)] == ["life"]
    assert az("keyvault", "secret", "show-deleted", *LISTS, *name) == deleted

    az("keyvault", "secret", "recover", *LISTS, *name)
    assert az("keyvault", "secret", "show", *LISTS, *name)["value"] == "kept"

    az("keyvault", "secret", "delete", *LISTS, *name)
    az("keyvault", "secret", "purge", *LISTS, *name)
    assert az("keyvault", "secret", "list-deleted", *LISTS) == []


def test_a_backup_is_restored_in_another_vault(az, tmp_path):
    file = tmp_path / "secret.backup"
    made = az("keyvault", "secret", "set", *VAULT, "-n", "saved", "--value", "kept")
    az("keyvault", "secret", "backup", *VAULT, "-n", "saved", "--file", file)
    assert b"kept" not in file.read_bytes()
    restored = az("keyvault", "secret", "restore", *COPY, "--file", file)
    assert restored["id"] == made["id"].replace("contoso-prod", "contoso-copy")
    assert az("keyvault", "secret", "show", *COPY, "-n", "saved")["value"] == "kept"
    assert az.refused("keyvault", "secret", "restore", *COPY, "--file", file).code == "Conflict"


def test_a_disabled_secret_is_not_shown(az):
    az("keyvault", "secret", "set", *VAULT, "-n", "disabled", "--value", "hidden", "--disabled")
    refusal = az.refused("keyvault", "secret", "show", *VAULT, "-n", "disabled")
    assert refusal == (1, "Forbidden", "Operation get is not allowed on a disabled secret.")


@pytest.mark.parametrize(
    ("command", "permission"),
    [(("show", "-n", "versions"), "get"), (("set", "-n", "mine", "--value", "x"), "set"), (("list",), "list")],
    ids=["show", "set", "list"],
)
def test_who_has_no_permission_is_refused(nobody, command, permission):
    done = nobody.run("keyvault", "secret", *command, *VAULT, "--debug")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Response status: 403\n" in done.stderr
    assert "Code: Forbidden\n" in done.stderr
    assert '"code": "ForbiddenByPolicy"' in done.stderr
    assert f"does not have secrets {permission} permission on key vault 'contoso-prod;location=" in done.stderr
