"""Keys: made, read, listed and changed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient, KeyOperation
from azure.keyvault.keys.crypto import KeyWrapAlgorithm, SignatureAlgorithm

from public_keys import public_key
from server import LISTING_VAULT

PAGE = 25
MANY = PAGE + 2


def now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


@pytest.mark.parametrize("kind", ["RSA", "RSA-HSM"])
@pytest.mark.parametrize("size", [2048, 3072])
def test_a_key_is_made_as_asked(keys, server, kind, size):
    before, tags = now(), {"purpose": "test"}
    name = f"made-{kind}-{size}"
    made = keys.create_rsa_key(name, size=size, hardware_protected=kind == "RSA-HSM", tags=tags)
    assert (made.name, made.key_type, made.properties.vault_url) == (name, kind, server.vault_url())
    assert made.id == f"{server.vault_url()}/keys/{name}/{made.properties.version}"
    assert len(made.properties.version) == 32
    numbers = public_key(made).public_numbers()
    assert (numbers.n.bit_length(), numbers.e) == (size, 65537)
    assert set(made.key_operations) == {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}
    assert made.properties.enabled is True
    assert made.properties.tags == tags
    assert before <= made.properties.created_on <= now()
    assert made.properties.updated_on == made.properties.created_on
    assert (made.properties.not_before, made.properties.expires_on) == (None, None)
    assert (made.properties.recovery_level, made.properties.recoverable_days) == ("Recoverable+Purgeable", 90)
    assert made.properties.exportable is False


def test_a_key_is_made_with_its_attributes(keys):
    not_before, expires_on = now() - timedelta(days=1), now() + timedelta(days=30)
    operations = [KeyOperation.wrap_key, KeyOperation.unwrap_key]
    made = keys.create_rsa_key(
        "attributes", enabled=False, not_before=not_before, expires_on=expires_on, key_operations=operations
    )
    read = keys.get_key("attributes")
    for one in (made, read):
        assert one.properties.enabled is False
        assert (one.properties.not_before, one.properties.expires_on) == (not_before, expires_on)
        assert one.key_operations == ["wrapKey", "unwrapKey"]


def test_a_key_is_read_by_version_and_without(keys):
    first = keys.create_rsa_key("versions", size=2048)
    second = keys.create_rsa_key("versions", size=2048)
    assert first.properties.version != second.properties.version
    assert first.key.n != second.key.n
    assert keys.get_key("versions").id == second.id
    for made in (first, second):
        read = keys.get_key("versions", made.properties.version)
        assert (read.id, read.key.n, read.key.e) == (made.id, made.key.n, made.key.e)


def test_a_key_name_is_found_in_any_case(keys):
    made = keys.create_rsa_key("Mixed-Case", size=2048)
    assert keys.get_key("mixed-case").key.n == made.key.n


def test_an_unknown_key_is_not_found(keys):
    for arguments in (("never-made",), ("never-made", "0" * 32)):
        with pytest.raises(ResourceNotFoundError) as refused:
            keys.get_key(*arguments)
        assert (refused.value.status_code, refused.value.error.code) == (404, "KeyNotFound")


def test_an_unknown_version_is_not_found(keys):
    keys.create_rsa_key("one-version", size=2048)
    with pytest.raises(ResourceNotFoundError):
        keys.get_key("one-version", "0" * 32)


def test_a_size_that_does_not_exist_is_refused(keys):
    with pytest.raises(HttpResponseError) as refused:
        keys.create_rsa_key("odd-size", size=2047)
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")


@pytest.fixture(scope="module")
def listed(server, credential):
    """A vault of its own with so many keys, the last with so many versions, that both lists take two pages."""
    with KeyClient(server.vault_url(LISTING_VAULT), credential) as client:
        names = [f"listed-{number:02}" for number in range(MANY)]
        with ThreadPoolExecutor(4) as several:
            list(several.map(lambda name: client.create_rsa_key(name, size=2048, tags={"n": name}), names))
            versions = list(several.map(lambda _: client.create_rsa_key(names[-1], size=2048), range(MANY - 1)))
        yield client, names, versions


def test_keys_are_listed_page_by_page(listed):
    client, names, _ = listed
    pages = [list(page) for page in client.list_properties_of_keys().by_page()]
    assert [len(page) for page in pages] == [PAGE, MANY - PAGE]
    assert [key.name for page in pages for key in page] == names
    first = pages[0][0]
    assert (first.id, first.version) == (f"{first.vault_url}/keys/listed-00", None)
    assert (first.enabled, first.tags) == (True, {"n": "listed-00"})


def test_a_smaller_page_can_be_asked_for(listed):
    client, names, _ = listed
    pages = [list(page) for page in client.list_properties_of_keys(max_page_size=10).by_page()]
    assert [len(page) for page in pages] == [10, 10, MANY - 20]
    assert [key.name for page in pages for key in page] == names


def test_versions_are_listed_page_by_page(listed):
    client, names, versions = listed
    pages = [list(page) for page in client.list_properties_of_key_versions(names[-1]).by_page()]
    assert [len(page) for page in pages] == [PAGE, MANY - PAGE]
    found = [version.id for page in pages for version in page]
    assert len(set(found)) == MANY
    assert set(found) >= {version.id for version in versions}


def test_versions_of_an_unknown_key_are_none(listed):
    client, _, _ = listed
    assert list(client.list_properties_of_key_versions("never-made")) == []


def test_an_update_changes_what_it_names_and_nothing_else(keys):
    made = keys.create_rsa_key("updated", size=2048, tags={"old": "1"})
    not_before, expires_on = now() - timedelta(hours=1), now() + timedelta(hours=1)
    keys.update_key_properties("updated", not_before=not_before, expires_on=expires_on)
    keys.update_key_properties("updated", tags={"new": "2"})
    keys.update_key_properties("updated", key_operations=[KeyOperation.sign, KeyOperation.verify])
    changed = keys.update_key_properties("updated", enabled=False)
    for key in (changed, keys.get_key("updated")):
        assert (key.id, key.key.n) == (made.id, made.key.n)
        assert key.properties.enabled is False
        assert (key.properties.not_before, key.properties.expires_on) == (not_before, expires_on)
        assert key.properties.tags == {"new": "2"}
        assert key.key_operations == ["sign", "verify"]
        assert key.properties.created_on == made.properties.created_on


def test_an_update_by_version_leaves_the_others_alone(keys):
    old = keys.create_rsa_key("updated-version", size=2048)
    keys.create_rsa_key("updated-version", size=2048)
    keys.update_key_properties("updated-version", old.properties.version, enabled=False)
    assert keys.get_key("updated-version", old.properties.version).properties.enabled is False
    assert keys.get_key("updated-version").properties.enabled is True


def test_a_disabled_key_is_refused_until_it_is_enabled(keys, remotely):
    key = keys.create_rsa_key("disabled", size=2048)
    client = remotely(key)
    wrapped = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"0" * 32).encrypted_key
    keys.update_key_properties("disabled", enabled=False)
    for use in (
        lambda: client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"0" * 32),
        lambda: client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped),
        lambda: client.sign(SignatureAlgorithm.rs256, b"0" * 32),
    ):
        assert refusal(use) == (403, "Forbidden", "KeyDisabled")
    keys.update_key_properties("disabled", enabled=True)
    assert client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == b"0" * 32


def test_an_expired_key_still_unwraps_but_wraps_no_more(keys, remotely):
    key = keys.create_rsa_key("expired", size=2048)
    client = remotely(key)
    wrapped = client.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"1" * 32).encrypted_key
    keys.update_key_properties("expired", expires_on=now() - timedelta(days=1))
    assert refusal(lambda: client.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"1" * 32))[:2] == (403, "Forbidden")
    assert client.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped).key == b"1" * 32


def test_a_key_is_not_used_before_its_time(keys, remotely):
    key = keys.create_rsa_key("not-yet", size=2048, not_before=now() + timedelta(days=1))
    client = remotely(key)
    assert refusal(lambda: client.sign(SignatureAlgorithm.rs256, b"2" * 32))[:2] == (403, "Forbidden")


def test_a_key_does_only_what_its_operations_say(keys, remotely):
    key = keys.create_rsa_key("sign-only", size=2048, key_operations=[KeyOperation.sign])
    client = remotely(key)
    assert len(client.sign(SignatureAlgorithm.ps256, b"3" * 32).signature) == 256
    assert refusal(lambda: client.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"3" * 32))[:2] == (403, "Forbidden")


def refusal(use) -> tuple[int, str, str]:
    with pytest.raises(HttpResponseError) as refused:
        use()
    error = refused.value.error
    return refused.value.status_code, error.code, error.innererror["code"]
