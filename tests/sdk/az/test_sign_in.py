"""`az login`, each way; who somebody is then says the token that az hands out."""

import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cli import SOURCES, Az
from conftest import APPLICATION, NOBODY
from production import binary

DEFAULT = "6b9e7c1a-0000-4000-8000-00000000c11e"
SUBSCRIPTION = "6b9e7c1a-0000-4000-8000-000000000002"
NOBODY_OBJECT = "6b9e7c1a-0000-4000-8000-0000000000b2"
NOBODY_RESOURCE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/keyhaven/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/nobody"
)


def account(az: Az, user: dict) -> dict:
    """The subscription as az shows it to `user`."""
    return {
        "environmentName": "AzureCloud",
        "homeTenantId": az.tenant,
        "id": SUBSCRIPTION,
        "isDefault": True,
        "managedByTenants": [],
        "name": "Keyhaven",
        "state": "Enabled",
        "tenantId": az.tenant,
        "user": {**user, "type": "servicePrincipal"},
    }


def listed(shown: dict) -> dict:
    """`shown` as a service principal's login lists it: with another name for the cloud."""
    return {("cloudName" if name == "environmentName" else name): value for name, value in shown.items()}


def test_as_a_service_principal_with_a_secret(production, tmp_path):
    az = Az(production, tmp_path)
    shown = account(az, {"name": APPLICATION})
    login = az("login", "--service-principal", "-u", APPLICATION, "-p", "hush", "--tenant", az.tenant)
    assert login == [listed(shown)]
    assert az("account", "show") == shown
    claims = az.token()
    assert (claims["appid"], claims["tid"], claims["aud"]) == (APPLICATION, az.tenant, "https://vault.azure.net")
    # As the SDK for Rust asks az for a token; the others ask as `token` does.
    scope = ("--scope", "https://vault.azure.net/.default", "--tenant", az.tenant)
    assert az("account", "get-access-token", *scope)["tokenType"] == "Bearer"


def test_as_a_service_principal_with_a_federated_token(production, tmp_path):
    command = [binary(), "identity", "token", "nobody", "--federated"]
    token = subprocess.check_output(command, env=production.environment, text=True).strip()
    az = Az(production, tmp_path)
    login = az("login", "--service-principal", "-u", NOBODY, "--federated-token", token, "--tenant", az.tenant)
    assert login == [listed(account(az, {"name": NOBODY}))]
    assert az.token()["appid"] == NOBODY


def test_as_a_service_principal_with_a_certificate(production, tmp_path):
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate())
    az = Az(production, tmp_path)
    login = az("login", "--service-principal", "-u", APPLICATION, "--certificate", file, "--tenant", az.tenant)
    assert login == [listed(account(az, {"name": APPLICATION}))]
    assert az.token()["appid"] == APPLICATION


def certificate() -> bytes:
    """A private key and a certificate of its own, as `az ad sp create-for-rbac --create-cert` writes them."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + made.public_bytes(Encoding.PEM)


def test_as_the_managed_identity(visitor):
    user = {"name": "systemAssignedIdentity", "assignedIdentityInfo": "MSI"}
    assert visitor("login", "--identity") == [account(visitor, user)]
    assert visitor.token()["appid"] == DEFAULT


@pytest.mark.parametrize(
    ("option", "identity", "info"),
    [
        ("--client-id", NOBODY, f"MSIClient-{NOBODY}"),
        ("--object-id", NOBODY_OBJECT, f"MSIObject-{NOBODY_OBJECT}"),
        ("--resource-id", NOBODY_RESOURCE, f"MSIResource-{NOBODY_RESOURCE}"),
    ],
    ids=["client-id", "object-id", "resource-id"],
)
def test_as_a_managed_identity_of_the_users(visitor, option, identity, info):
    user = {"name": "userAssignedIdentity", "assignedIdentityInfo": info}
    assert visitor("login", "--identity", option, identity) == [account(visitor, user)]
    assert visitor.token()["appid"] == NOBODY


def test_an_identity_that_production_has(visitor):
    """An identity that Keyhaven has never heard of is there as soon as it is asked for."""
    theirs = "0f0e0d0c-0000-4000-8000-00000000000b"
    visitor("login", "--identity", "--object-id", theirs)
    assert visitor.token()["oid"] == theirs


def test_who_is_not_configured_is_refused_when_asked_for_strictly(strict, tmp_path):
    az = Az(strict, tmp_path)
    service_principal = ("login", "--service-principal", "--tenant", az.tenant, "-u")
    stranger = az.run(*service_principal, APPLICATION, "-p", "hush")
    assert (stranger.returncode, stranger.stdout) == (1, "")
    assert stranger.stderr.startswith(f"ERROR: AADSTS700016: Application with identifier '{APPLICATION}' was not found")
    guess = az.run(*service_principal, DEFAULT, "-p", "a guess")
    assert (guess.returncode, guess.stdout) == (1, "")
    assert guess.stderr.startswith("ERROR: AADSTS7000215: Invalid client secret provided.")
    assert az(*service_principal, DEFAULT, "-p", "keyhaven") == [listed(account(az, {"name": DEFAULT}))]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("imds", "Identity not found"),
        ("app-service", "400, No User Assigned or Delegated Managed Identity found for specified ClientId/"),
    ],
)
def test_an_identity_that_is_not_there(strict, tmp_path, source, told):
    az = Az(strict, tmp_path, without=SOURCES[source])
    done = az.run("login", "--identity", "--client-id", APPLICATION)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_no_sign_in_of_the_persons_is_seen(production):
    """`run` gives az a place of its own for what it keeps, which no other user can read."""
    place = production.environment["AZURE_CONFIG_DIR"]
    assert os.stat(place).st_mode & 0o777 == 0o700
    assert place != os.path.expanduser("~/.azure")
