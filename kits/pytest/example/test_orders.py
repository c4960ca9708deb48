"""What a test with pytest-keyhaven looks like."""

import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient


@pytest.fixture(scope="session", autouse=True)
def what_every_vault_holds(keyhaven, credential):
    """Set once; every test's vault is a copy."""
    SecretClient(keyhaven.default_vault_url, credential).set_secret("database", "orders")


@pytest.mark.parametrize("database", ["one", "two"])
def test_each_test_has_a_vault_of_its_own(vault_url, credential, database):
    secrets = SecretClient(vault_url, credential)
    assert secrets.get_secret("database").value == "orders", "no other test has changed it"
    secrets.set_secret("database", database)


def test_a_deleted_secret_is_gone_when_its_retention_is_over(vault_url, credential, clock):
    secrets = SecretClient(vault_url, credential)
    secrets.begin_delete_secret("database").wait()
    assert secrets.get_deleted_secret("database").name == "database"
    clock.advance("P90D")
    with pytest.raises(ResourceNotFoundError):
        secrets.get_deleted_secret("database")


@pytest.mark.keyhaven_secrets({"database": "archive", "api-key": "k-1"})
def test_a_test_begins_with_secrets_of_its_own(credential):
    secrets = SecretClient(os.environ["VAULT_URL"], credential)
    assert secrets.get_secret("database").value == "archive"
    assert secrets.get_secret("api-key").value == "k-1"


def test_the_code_tries_again_when_the_vault_is_busy(vault_url, credential, faults):
    throttled = faults("SecretGet", status=429, times=1)
    assert SecretClient(vault_url, credential).get_secret("database").value == "orders"
    assert throttled.hits == 1


def test_another_identity_is_refused(vault_url, credential_of):
    with pytest.raises(HttpResponseError, match="does not have secrets get permission"):
        SecretClient(vault_url, credential_of("nobody")).get_secret("database")
