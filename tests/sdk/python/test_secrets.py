"""Secrets: set, read, changed and listed."""

from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError


def test_a_secret_is_read_as_it_was_set(secrets, server):
    now = datetime.now(timezone.utc).replace(microsecond=0)
    given = {
        "content_type": "application/x-connection-string",
        "tags": {"owner": "factory", "Ünïcode": "naïve ☃"},
        "not_before": now - timedelta(days=1),
        "expires_on": now + timedelta(days=365),
        "enabled": True,
    }
    written = secrets.set_secret("full", "Server=sql;Password=p@ss \"quoted\" \\ ☃", **given)
    read = secrets.get_secret("full")
    for secret in (written, read):
        assert secret.value == "Server=sql;Password=p@ss \"quoted\" \\ ☃"
        assert secret.id == f"{server.vault_url()}/secrets/full/{secret.properties.version}"
        assert {name: getattr(secret.properties, name) for name in given} == given
        assert now <= secret.properties.created_on <= now + timedelta(seconds=10)
        assert secret.properties.updated_on == secret.properties.created_on
        assert secret.properties.recovery_level == "Recoverable+Purgeable"
    assert read.id == written.id


def test_a_secret_is_read_by_version_and_without(secrets):
    first = secrets.set_secret("versions", "first", content_type="text/plain", tags={"n": "1"})
    second = secrets.set_secret("versions", "second")
    assert first.properties.version != second.properties.version
    latest = secrets.get_secret("versions")
    assert (latest.value, latest.id) == ("second", second.id)
    assert (latest.properties.content_type, latest.properties.tags or None) == (None, None)
    old = secrets.get_secret("versions", first.properties.version)
    assert (old.value, old.properties.content_type, old.properties.tags) == ("first", "text/plain", {"n": "1"})


@pytest.mark.parametrize("value", ["", " ", "\n", "0", "x" * 25_600, "☃" * 8_533], ids=lambda value: f"{len(value)}")
def test_any_value_within_the_bounds_is_kept(secrets, value):
    secrets.set_secret("bounds", value)
    assert secrets.get_secret("bounds").value == value


def test_a_value_beyond_the_bounds_is_refused(secrets):
    with pytest.raises(HttpResponseError) as refused:
        secrets.set_secret("too-long", "x" * 25_601)
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret("too-long")


def test_a_disabled_secret_is_forbidden(secrets):
    secrets.set_secret("disabled", "hidden", enabled=False)
    with pytest.raises(HttpResponseError) as refused:
        secrets.get_secret("disabled")
    error = refused.value.error
    assert (refused.value.status_code, error.code, error.innererror["code"]) == (403, "Forbidden", "SecretDisabled")
    secrets.set_secret("disabled", "shown")
    assert secrets.get_secret("disabled").value == "shown"


def test_an_expired_secret_can_still_be_read(secrets):
    yesterday = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1)
    secrets.set_secret("expired", "old", expires_on=yesterday)
    assert secrets.get_secret("expired").value == "old"


def test_an_unknown_secret_is_not_found(secrets):
    for arguments in (("never-set",), ("never-set", "0" * 32)):
        with pytest.raises(ResourceNotFoundError) as refused:
            secrets.get_secret(*arguments)
        assert (refused.value.status_code, refused.value.error.code) == (404, "SecretNotFound")


def test_an_update_changes_what_it_names_and_nothing_else(secrets):
    made = secrets.set_secret("updated", "kept", content_type="text/old", tags={"old": "1"})
    now = datetime.now(timezone.utc).replace(microsecond=0)
    not_before, expires_on = now - timedelta(hours=1), now + timedelta(hours=1)
    secrets.update_secret_properties("updated", not_before=not_before, expires_on=expires_on)
    secrets.update_secret_properties("updated", tags={"new": "2"})
    changed = secrets.update_secret_properties("updated", content_type="text/new")
    read = secrets.get_secret("updated")
    for properties in (changed, read.properties):
        assert (properties.id, properties.content_type, properties.tags) == (made.id, "text/new", {"new": "2"})
        assert (properties.not_before, properties.expires_on, properties.enabled) == (not_before, expires_on, True)
        assert properties.created_on == made.properties.created_on <= properties.updated_on
    assert read.value == "kept"


def test_an_update_by_version_leaves_the_others_alone(secrets):
    old = secrets.set_secret("updated-version", "old")
    secrets.set_secret("updated-version", "new", content_type="text/plain")
    version = old.properties.version
    changed = secrets.update_secret_properties("updated-version", version, content_type="text/old", tags={"n": "1"})
    assert changed.version == version
    first, latest = secrets.get_secret("updated-version", version), secrets.get_secret("updated-version")
    assert (first.value, first.properties.content_type, first.properties.tags) == ("old", "text/old", {"n": "1"})
    assert (latest.value, latest.properties.content_type, latest.properties.tags or None) == ("new", "text/plain", None)


def test_a_secret_is_disabled_and_enabled_by_an_update(secrets):
    secrets.set_secret("switched", "hidden")
    assert secrets.update_secret_properties("switched", enabled=False).enabled is False
    with pytest.raises(HttpResponseError) as refused:
        secrets.get_secret("switched")
    assert (refused.value.status_code, refused.value.error.innererror["code"]) == (403, "SecretDisabled")
    secrets.update_secret_properties("switched", enabled=True)
    assert secrets.get_secret("switched").value == "hidden"


def test_an_update_of_an_unknown_secret_is_not_found(secrets):
    known = secrets.set_secret("known", "value")
    for arguments in (("never-set",), ("never-set", "0" * 32), ("known", "0" * 32)):
        with pytest.raises(ResourceNotFoundError) as refused:
            secrets.update_secret_properties(*arguments, content_type="text/plain")
        assert (refused.value.status_code, refused.value.error.code) == (404, "SecretNotFound")
    assert secrets.get_secret("known").properties.updated_on == known.properties.updated_on


def test_secrets_are_listed_with_the_properties_of_their_latest_version(secrets, server):
    secrets.set_secret("listed", "first", content_type="text/old")
    secrets.set_secret("listed", "second", content_type="text/plain", tags={"n": "2"}, enabled=False)
    (listed,) = [properties for properties in secrets.list_properties_of_secrets() if properties.name == "listed"]
    assert (listed.id, listed.version) == (f"{server.vault_url()}/secrets/listed", None)
    assert (listed.content_type, listed.tags, listed.enabled) == ("text/plain", {"n": "2"}, False)


def test_versions_are_listed_with_their_properties(secrets):
    made = [secrets.set_secret("listed-versions", f"value {n}", tags={"n": str(n)}, enabled=n != 1) for n in range(3)]
    listed = {one.version: one for one in secrets.list_properties_of_secret_versions("listed-versions")}
    assert len(listed) == 3
    for secret in made:
        found, given = listed[secret.properties.version], secret.properties
        assert (found.id, found.tags, found.enabled) == (secret.id, given.tags, given.enabled)
    assert list(secrets.list_properties_of_secret_versions("never-set")) == []


def test_only_who_reads_a_secret_gets_its_value(secrets, wire):
    value = "seen-by-readers-alone"
    secrets.set_secret("seen", value)
    mark = len(wire.exchanges)
    secrets.update_secret_properties("seen", content_type="text/plain")
    list(secrets.list_properties_of_secrets())
    list(secrets.list_properties_of_secret_versions("seen"))
    secrets.begin_delete_secret("seen").wait()
    list(secrets.list_deleted_secrets())
    secrets.begin_recover_deleted_secret("seen").result()
    assert [exchange for exchange in wire.since(mark) if value.encode() in exchange.content] == []
    mark = len(wire.exchanges)
    assert secrets.get_secret("seen").value == value
    assert [exchange.method for exchange in wire.since(mark) if value.encode() in exchange.content] == ["GET"]
