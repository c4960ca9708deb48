"""Secrets: set and read."""

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
