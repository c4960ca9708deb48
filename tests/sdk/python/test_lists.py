"""Lists over many pages: everything once, in order, and without any value."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient

from server import PAGING_VAULT

PAGE = 25
VERSIONS = 30


def mixed(prefix: str, count: int) -> list[str]:
    """Names in the order of a list, which is not that of their bytes."""
    return sorted((f"{'aBcD'[number % 4]}-{prefix}-{number}" for number in range(count)), key=str.upper)


SECRETS, KEYS = mixed("secret", 60), mixed("key", 30)
DELETED_SECRETS, DELETED_KEYS = mixed("deleted-secret", 30), mixed("deleted-key", 30)
LISTS = {
    "secrets": (lambda vault, **options: vault.secrets.list_properties_of_secrets(**options), SECRETS),
    "keys": (lambda vault, **options: vault.keys.list_properties_of_keys(**options), KEYS),
    "deleted secrets": (lambda vault, **options: vault.secrets.list_deleted_secrets(**options), DELETED_SECRETS),
    "deleted keys": (lambda vault, **options: vault.keys.list_deleted_keys(**options), DELETED_KEYS),
}


@dataclass
class Vault:
    secrets: SecretClient
    keys: KeyClient
    versions: list[str]


@pytest.fixture(scope="module")
def vault(clients) -> Vault:
    """A vault of its own with more of everything than a page holds; the first secret has more versions than that."""
    secrets, keys = clients(SecretClient, PAGING_VAULT), clients(KeyClient, PAGING_VAULT)
    with ThreadPoolExecutor(4) as several:
        every = lambda make, names: list(several.map(make, names))
        made = every(lambda name: secrets.set_secret(name, "listed-value", tags={"n": name}), SECRETS + DELETED_SECRETS)
        again = every(lambda _: secrets.set_secret(SECRETS[0], "listed-value"), range(VERSIONS - 1))
        every(lambda name: keys.create_ec_key(name, tags={"n": name}), KEYS + DELETED_KEYS)
        every(lambda name: secrets.begin_delete_secret(name).wait(), DELETED_SECRETS)
        every(lambda name: keys.begin_delete_key(name).wait(), DELETED_KEYS)
    # A poller takes a refused look for the end.
    secrets.get_deleted_secret(DELETED_SECRETS[0])
    keys.get_deleted_key(DELETED_KEYS[0])
    return Vault(secrets, keys, [made[0].id, *(secret.id for secret in again)])


def pages(paged) -> list[list]:
    return [list(page) for page in paged]


def lengths(count: int, size: int) -> list[int]:
    return [min(size, count - start) for start in range(0, count, size)]


@pytest.mark.parametrize("name", LISTS)
class TestNames:
    def test_everything_is_listed_once_and_in_order(self, vault, name):
        listed, expected = LISTS[name]
        assert [item.name for item in listed(vault)] == expected
        assert expected != sorted(expected)

    def test_a_page_has_25(self, vault, name):
        listed, expected = LISTS[name]
        found = pages(listed(vault).by_page())
        assert [len(page) for page in found] == lengths(len(expected), PAGE)
        assert [item.name for page in found for item in page] == expected

    def test_a_page_has_what_was_asked_for(self, vault, name):
        listed, expected = LISTS[name]
        found = pages(listed(vault, max_page_size=7).by_page())
        assert [len(page) for page in found] == lengths(len(expected), 7)
        assert [item.name for page in found for item in page] == expected

    def test_a_list_is_continued_where_it_was_left(self, vault, name):
        listed, expected = LISTS[name]
        left = listed(vault).by_page()
        seen = list(next(left))
        rest = pages(listed(vault).by_page(left.continuation_token))
        assert [item.name for item in seen + sum(rest, [])] == expected

    def test_more_than_25_are_not_given(self, vault, name):
        listed, _ = LISTS[name]
        with pytest.raises(HttpResponseError) as refused:
            next(listed(vault, max_page_size=PAGE + 1))
        assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")


@pytest.mark.parametrize("size", [None, 7])
def test_versions_are_listed_page_by_page(vault, size):
    listed = vault.secrets.list_properties_of_secret_versions(SECRETS[0], max_page_size=size)
    found = pages(listed.by_page())
    assert [len(page) for page in found] == lengths(VERSIONS, size or PAGE)
    assert sorted(version.id for page in found for version in page) == sorted(vault.versions)


def test_listed_secrets_have_properties_and_no_values(vault, wire):
    mark = len(wire.exchanges)
    listed = list(vault.secrets.list_properties_of_secrets())
    versions = list(vault.secrets.list_properties_of_secret_versions(SECRETS[0]))
    deleted = list(vault.secrets.list_deleted_secrets())
    assert {item.name: item.tags for item in listed[1:]} == {name: {"n": name} for name in SECRETS[1:]}
    assert {item.name: item.properties.tags for item in deleted} == {name: {"n": name} for name in DELETED_SECRETS}
    assert all(item.version is None and item.enabled for item in listed)
    assert all(len(version.version) == 32 for version in versions)
    assert not any(hasattr(item, "value") for item in listed + versions + deleted)
    assert [exchange for exchange in wire.since(mark) if b"listed-value" in exchange.content] == []
