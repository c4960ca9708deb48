"""Clients while things go wrong: what they try again, how long they wait, and what they tell their callers."""

import time
from collections.abc import Iterator

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient

from admin import Admin
from server import Server


@pytest.fixture
def admin(server: Server) -> Iterator[Admin]:
    admin = Admin(server)
    yield admin
    admin.ask("DELETE", "faults")


def test_a_throttled_client_waits_as_it_is_told_and_tries_again(admin, secrets, wire):
    secrets.set_secret("throttled", "v")
    admin.faults({"operation": "SecretGet", "times": 2, "then": {"status": 429, "retryAfter": 1}})
    began, mark = time.monotonic(), len(wire.exchanges)
    assert secrets.get_secret("throttled").value == "v"
    assert time.monotonic() - began >= 2
    assert [one.status for one in wire.exchanges[mark:]] == [429, 429, 200]
    assert admin.hits() == [2]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_without_a_time_to_wait_is_tried_again_too(admin, secrets, wire, status):
    admin.faults({"vault": "factory-vault", "operation": "SecretSet", "times": 1, "then": {"status": status}})
    mark = len(wire.exchanges)
    secrets.set_secret("failing", "v")
    assert [one.status for one in wire.exchanges[mark:]] == [status, 200]


def test_a_failure_that_stays_is_told(admin, secrets):
    admin.faults({"operation": "SecretGet", "then": {"status": 503, "retryAfter": 0}})
    with pytest.raises(HttpResponseError) as refused:
        secrets.get_secret("any")
    assert (refused.value.status_code, refused.value.error.code) == (503, "ServiceUnavailable")
    assert admin.hits() == [4], "once, and three times again"


def test_a_cut_after_the_work_leaves_a_version_more(admin, secrets):
    before = secrets.set_secret("cut", "one")
    admin.faults({"operation": "SecretSet", "times": 1, "then": {"cut": "after"}})
    after = secrets.set_secret("cut", "two")
    versions = [one.version for one in secrets.list_properties_of_secret_versions("cut")]
    assert len(versions) == 3 and {before.properties.version, after.properties.version} < set(versions)
    assert secrets.get_secret("cut").id == after.id


def test_a_cut_before_the_work_leaves_nothing(admin, secrets):
    admin.faults({"operation": "SecretSet", "times": 1, "then": {"cut": "before"}})
    secrets.set_secret("cut-before", "one")
    assert len(list(secrets.list_properties_of_secret_versions("cut-before"))) == 1


def test_an_expired_token_is_told_with_its_challenge(admin, secrets, wire):
    secrets.set_secret("expired", "v")
    admin.faults({"operation": "SecretGet", "times": 1, "then": {"token": "expired"}})
    mark = len(wire.exchanges)
    try:
        assert secrets.get_secret("expired").value == "v"
    except AzureError:
        assert secrets.get_secret("expired").value == "v", "the next call signs in again"
    assert [one.status for one in wire.exchanges[mark:]][0] == 401
    assert admin.hits() == [1]


def test_another_vault_and_another_operation_are_left_alone(admin, server, secrets, credential: ManagedIdentityCredential):
    admin.faults({"vault": "factory-vault", "operation": "KeyList", "then": {"status": 500}})
    secrets.set_secret("alone", "v")
    with KeyClient(server.vault_url("lifecycle-vault"), credential) as keys:
        list(keys.list_properties_of_keys())
    with SecretClient(server.vault_url("lifecycle-vault"), credential) as others:
        list(others.list_properties_of_secrets())
    assert admin.hits() == [0]
