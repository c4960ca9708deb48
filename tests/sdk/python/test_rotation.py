"""Rotation: by hand, by policy, by the clock, as the official client knows it."""

from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from importable import ec_jwk
from server import VAULT
from test_time import START, world

ROTATE, NOTIFY = KeyRotationPolicyAction.rotate, KeyRotationPolicyAction.notify


def rotate(**trigger: str) -> KeyRotationLifetimeAction:
    return KeyRotationLifetimeAction(ROTATE, **trigger)


def notify(before: str) -> KeyRotationLifetimeAction:
    return KeyRotationLifetimeAction(NOTIFY, time_before_expiry=before)


def actions(policy: KeyRotationPolicy) -> list[tuple]:
    return [(one.action, one.time_after_create, one.time_before_expiry) for one in policy.lifetime_actions]


@pytest.fixture
def name(request, keys) -> str:
    """A key of the test's own."""
    name = request.node.name.replace("_", "-").split("[")[0]
    keys.create_ec_key(name)
    return name


def test_a_rotated_key_is_another_of_the_same_kind(keys, key):
    rotated = keys.rotate_key(key.name)
    assert (rotated.key_type, rotated.key_operations) == (key.key_type, key.key_operations)
    assert len(rotated.key.n) == len(key.key.n)
    assert rotated.key.n != key.key.n
    assert rotated.properties.version != key.properties.version
    assert rotated.properties.enabled and rotated.properties.expires_on is None
    assert keys.get_key(key.name).id == rotated.id
    versions = {one.version for one in keys.list_properties_of_key_versions(key.name)}
    assert {key.properties.version, rotated.properties.version} <= versions


def test_what_the_old_version_wrapped_is_unwrapped_and_wrapped_anew(keys, key, remotely):
    before = remotely(key)
    wrapped = before.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"a data key")
    rotated = keys.rotate_key(key.name)
    after = remotely(rotated)
    data_key = before.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key
    again = after.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, data_key)
    assert again.key_id == rotated.id
    assert after.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, again.encrypted_key).key == b"a data key"
    with pytest.raises(HttpResponseError):
        after.decrypt(EncryptionAlgorithm.rsa_oaep_256, wrapped.encrypted_key)


def test_a_key_begins_with_the_services_policy(keys, name):
    policy = keys.get_key_rotation_policy(name)
    assert actions(policy) == [(NOTIFY, None, "P30D")]
    assert (policy.id, policy.expires_in, policy.created_on, policy.updated_on) == (None, None, None, None)


def test_a_policy_is_set_completed_and_read_back(keys, name):
    # As the SDK's own test does it, step by step.
    keys.update_key_rotation_policy(name, KeyRotationPolicy())
    updated = keys.update_key_rotation_policy(
        name, KeyRotationPolicy(), lifetime_actions=[rotate(time_after_create="P2M")]
    )
    assert actions(updated) == [(ROTATE, "P2M", None), (NOTIFY, None, "P30D")]
    assert updated.expires_in is None
    assert updated.id.endswith(f"/keys/{name}/rotationpolicy")

    round_tripped = keys.update_key_rotation_policy(name, updated, expires_in="P90D")
    assert round_tripped.expires_in == "P90D"
    assert actions(round_tripped) == actions(updated)
    newest = keys.update_key_rotation_policy(name, round_tripped, lifetime_actions=[notify("P60D")])
    fetched = keys.get_key_rotation_policy(name)
    assert actions(newest) == actions(fetched) == [(NOTIFY, None, "P60D")]
    assert (fetched.expires_in, fetched.created_on) == ("P90D", updated.created_on)
    assert fetched.updated_on >= fetched.created_on


def test_a_version_that_is_rotated_ends_as_the_policy_says(keys, name):
    keys.update_key_rotation_policy(name, KeyRotationPolicy(), expires_in="P90D")
    rotated = keys.rotate_key(name)
    assert rotated.properties.expires_on - rotated.properties.created_on == timedelta(days=90)


@pytest.mark.parametrize(
    ("lifetime", "expires_in"),
    [
        ([], "P27D"),
        ([rotate(time_after_create="P6D")], None),
        ([rotate(time_before_expiry="P30D")], None),
        ([rotate(time_after_create="P85D")], "P90D"),
        ([rotate(time_after_create="a month")], None),
        ([rotate(time_after_create="P30D", time_before_expiry="P30D")], "P90D"),
        ([KeyRotationLifetimeAction(NOTIFY, time_after_create="P30D")], None),
        ([notify("P1D")], "P90D"),
        ([KeyRotationLifetimeAction("Delete", time_after_create="P30D")], None),
    ],
    ids=str,
)
def test_a_policy_against_the_rules_is_refused_and_nothing_is_set(keys, name, lifetime, expires_in):
    with pytest.raises(HttpResponseError) as refused:
        keys.update_key_rotation_policy(name, KeyRotationPolicy(lifetime_actions=lifetime, expires_in=expires_in))
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")
    assert keys.get_key_rotation_policy(name).created_on is None


def test_what_is_not_there_and_what_was_imported_does_not_rotate(keys):
    for call in (keys.rotate_key, keys.get_key_rotation_policy):
        with pytest.raises(ResourceNotFoundError):
            call("never-made")
    keys.import_key("rotation-imported", ec_jwk(ec.generate_private_key(ec.SECP256R1()), "P-256"))
    with pytest.raises(HttpResponseError, match="imported"):
        keys.rotate_key("rotation-imported")


def test_keys_rotate_by_the_vaults_clock(source, tmp_path):
    day = timedelta(days=1)
    with world(tmp_path, source, VAULT) as here:
        here.admin.ask("POST", "clock", {"freeze": True})
        start = datetime.fromisoformat(here.admin.ask("GET", "clock")["now"])
        assert start - START < day
        here.keys.create_rsa_key("by-age")
        here.keys.create_rsa_key("by-end", expires_on=start + 60 * day)
        by_age = [rotate(time_after_create="P30D")]
        here.keys.update_key_rotation_policy("by-age", KeyRotationPolicy(), lifetime_actions=by_age, expires_in="P90D")
        by_end = [rotate(time_before_expiry="P10D")]
        here.keys.update_key_rotation_policy("by-end", KeyRotationPolicy(), lifetime_actions=by_end, expires_in="P28D")
        # Notices of their end are due as well: of by-end at 30 and, with the first rotation, at once.
        here.admin.advance("P70D")

        def lives(name: str) -> list[tuple[int, int | None]]:
            found = here.keys.list_properties_of_key_versions(name)
            days = [(one.created_on, one.expires_on) for one in found]
            return sorted(((made - start) // day, ends and (ends - start) // day) for made, ends in days)

        assert lives("by-age") == [(0, None), (30, 120), (60, 150)]
        assert lives("by-end") == [(0, 60), (50, 78), (68, 96)]
        latest = here.keys.get_key("by-age")
        assert latest.properties.created_on == start.astimezone(timezone.utc) + 60 * day
