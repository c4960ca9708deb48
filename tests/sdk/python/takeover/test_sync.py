"""The synchronous clients, by every way of signing in."""

import time
import uuid
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient

import conftest
from conftest import CLIENT_ID, NOBODY, TENANT, VAULT_URL, application, federated_token, identities, keyhaven

DATA_KEY = bytes(range(32))
DIGEST = bytes(32)


def use_keys(credential, name: str) -> None:
    """A key is created, wraps, unwraps and signs, is listed, deleted and recovered."""
    with KeyClient(VAULT_URL, credential) as client:
        key = client.create_rsa_key(name, size=2048)
        assert key.id.startswith(f"{VAULT_URL}/keys/{name}/")
        with CryptographyClient(key, credential) as cryptography:
            wrapped = cryptography.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY)
            assert cryptography.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == DATA_KEY
            signed = cryptography.sign(SignatureAlgorithm.rs256, DIGEST)
            assert cryptography.verify(SignatureAlgorithm.rs256, DIGEST, signed.signature).is_valid
            assert not cryptography.verify(SignatureAlgorithm.rs256, bytes([1] * 32), signed.signature).is_valid
        assert name in [listed.name for listed in client.list_properties_of_keys()]
        assert client.begin_delete_key(name).result().recovery_id == f"{VAULT_URL}/deletedkeys/{name}"
        assert name not in [listed.name for listed in client.list_properties_of_keys()]
        client.begin_recover_deleted_key(name).wait()
        assert client.get_key(name).id == key.id


def use_secrets(credential, name: str) -> None:
    """A secret is set, read and given a new version; the old one stays readable."""
    with SecretClient(VAULT_URL, credential) as client:
        first = client.set_secret(name, "one")
        assert client.set_secret(name, "two").properties.version != first.properties.version
        assert client.get_secret(name).value == "two"
        assert client.get_secret(name, first.properties.version).value == "one"


def use_the_vault(credential, name: str) -> None:
    use_keys(credential, name)
    use_secrets(credential, name)


@pytest.mark.parametrize("source", [conftest.app_service, conftest.imds], indirect=True)
def test_the_default_credential(source, request):
    use_the_vault(DefaultAzureCredential(), conftest.name(request))


SOURCES = [conftest.app_service, conftest.imds, conftest.arc, conftest.service_fabric]


@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_the_system_assigned_identity(source, request):
    use_the_vault(ManagedIdentityCredential(), conftest.name(request))


@pytest.mark.parametrize("kind", ["client_id", "object_id", "resource_id"])
@pytest.mark.parametrize("source", SOURCES[:3], indirect=True)  # Service Fabric's clients refuse to name one
def test_a_user_assigned_identity(source, kind, request):
    identity = identities()["default"]
    value = identity[{"client_id": "clientId", "object_id": "objectId", "resource_id": "resourceId"}[kind]]
    options = {"client_id": value} if kind == "client_id" else {"identity_config": {kind: value}}
    use_the_vault(ManagedIdentityCredential(**options), conftest.name(request))


@pytest.mark.parametrize("kind", ["client_id", "object_id"])
def test_identities_that_production_names_exist(kind, nothing_managed, request):
    """What production code says is good: an identity is made on the spot, as good as the default one."""
    value = str(uuid.uuid4())
    options = {"client_id": value} if kind == "client_id" else {"identity_config": {kind: value}}
    use_the_vault(ManagedIdentityCredential(**options), conftest.name(request))


@pytest.mark.parametrize("source", [conftest.app_service, conftest.imds, conftest.arc], indirect=True)
def test_an_identity_without_permission_is_refused(source, request):
    credential = ManagedIdentityCredential(client_id=NOBODY)
    with pytest.raises(HttpResponseError) as refused:
        KeyClient(VAULT_URL, credential).get_key("any")
    assert (refused.value.status_code, refused.value.error.code) == (403, "Forbidden")
    with pytest.raises(HttpResponseError) as refused:
        SecretClient(VAULT_URL, credential).set_secret("any", "value")
    assert (refused.value.status_code, refused.value.error.code) == (403, "Forbidden")


def test_a_client_secret(nothing_managed, request):
    credential = ClientSecretCredential(TENANT, str(uuid.uuid4()), "what production has")
    use_the_vault(credential, conftest.name(request))


def test_a_client_secret_through_the_default_credential(nothing_managed, request):
    nothing_managed.setenv("AZURE_CLIENT_ID", str(uuid.uuid4()))
    nothing_managed.setenv("AZURE_CLIENT_SECRET", "what production has")
    use_the_vault(DefaultAzureCredential(), conftest.name(request))
    use_the_vault(EnvironmentCredential(), conftest.name(request))


def test_a_tenant_by_its_domain_name(nothing_managed, request):
    """Clients compare what they were given with the vault's tenant, unless told not to, as `run` does."""
    credential = ClientSecretCredential("contoso.onmicrosoft.com", str(uuid.uuid4()), "what production has")
    use_secrets(credential, conftest.name(request))


def test_a_wrong_secret_is_refused(nothing_managed):
    known = application("with-a-secret", "its own")
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        ClientSecretCredential(TENANT, known, "a guess").get_token("https://vault.azure.net/.default")
    good = ClientSecretCredential(TENANT, known, "its own").get_token("https://vault.azure.net/.default")
    assert good.token.count(".") == 2


def test_the_identity_of_the_environment_takes_any_secret(nothing_managed, request):
    """A program takes the client id from its environment, and the secret from its own configuration."""
    use_secrets(ClientSecretCredential(TENANT, CLIENT_ID, "what production has"), conftest.name(request))


def test_a_token_for_a_resource_that_does_not_exist_is_refused(nothing_managed):
    credential = ClientSecretCredential(TENANT, CLIENT_ID, "what production has")
    for known in ["https://storage.azure.com", "https://graph.microsoft.com", "https://acme.servicebus.windows.net"]:
        assert credential.get_token(f"{known}/.default").token.count(".") == 2
    with pytest.raises(ClientAuthenticationError, match="AADSTS500011: The resource principal named https://nothing.example"):
        credential.get_token("https://nothing.example/.default")


def test_a_certificate(nothing_managed, certificate, request):
    credential = CertificateCredential(TENANT, str(uuid.uuid4()), str(certificate))
    use_the_vault(credential, conftest.name(request))


def test_workload_identity(nothing_managed, tmp_path, request):
    file = federated_token(tmp_path, "default")
    client_id = identities()["default"]["clientId"]
    use_the_vault(
        WorkloadIdentityCredential(tenant_id=TENANT, client_id=client_id, token_file_path=str(file)),
        conftest.name(request),
    )
    nothing_managed.setenv("AZURE_CLIENT_ID", client_id)
    nothing_managed.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    use_the_vault(DefaultAzureCredential(), conftest.name(request))


@pytest.mark.parametrize("kind", ["secret", "certificate", "workload"])
def test_a_client_goes_on_by_itself_after_its_session_was_revoked(kind, nothing_managed, certificate, tmp_path, request):
    client_id = str(uuid.uuid4())
    as_secret = ClientSecretCredential(TENANT, client_id, "what production has")
    as_secret.get_token("https://vault.azure.net/.default")  # known from now on
    who = f"made-on-the-spot-{client_id}"
    credential = {
        "secret": lambda: as_secret,
        "certificate": lambda: CertificateCredential(TENANT, client_id, str(certificate)),
        "workload": lambda: WorkloadIdentityCredential(
            tenant_id=TENANT, client_id=client_id, token_file_path=str(federated_token(tmp_path, who))
        ),
    }[kind]()
    goes_on_after_a_revocation(credential, who, conftest.name(request))


@pytest.mark.parametrize("source", SOURCES[:3], indirect=True)
def test_a_managed_identity_goes_on_by_itself_after_its_session_was_revoked(source, request):
    client_id = str(uuid.uuid4())
    credential = ManagedIdentityCredential(client_id=client_id)
    credential.get_token("https://vault.azure.net/.default")
    goes_on_after_a_revocation(credential, f"made-on-the-spot-{client_id}", conftest.name(request))


def goes_on_after_a_revocation(credential, who: str, name: str) -> None:
    """The client and its credential both hold a token when it is revoked; a write with a body is repeated whole."""
    with SecretClient(VAULT_URL, credential) as client:
        client.set_secret(name, "one")
        former = credential.get_token("https://vault.azure.net/.default").token
        for value in ["two", "three"]:
            keyhaven("identity", "revoke", who)
            assert client.set_secret(name, value).value == value
            assert client.get_secret(name).value == value
    assert refused_as_revoked(former)


def refused_as_revoked(token: str) -> bool:
    """Whether the vault asks the holder of a token for new claims."""
    static = StaticToken(token)
    with SecretClient(VAULT_URL, static) as client:
        with pytest.raises(HttpResponseError, match="was revoked") as refused:
            client.get_secret("any")
    return 'error="insufficient_claims"' in refused.value.response.headers["WWW-Authenticate"]


class StaticToken:
    """A credential that has one token, whatever it is asked for."""

    def __init__(self, token: str):
        self.token = AccessToken(token, int(time.time()) + 3600)

    def get_token(self, *scopes, **options) -> AccessToken:
        return self.token


def test_an_application_that_is_disabled_says_so(nothing_managed, request):
    known = application("soon-disabled", "its own")
    credential = ClientSecretCredential(TENANT, known, "its own")
    assert credential.get_token("https://vault.azure.net/.default").token.count(".") == 2
    conftest.change("soon-disabled", enabled=False)
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000112"):
        ClientSecretCredential(TENANT, known, "its own").get_token("https://vault.azure.net/.default")
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000112"), SecretClient(VAULT_URL, credential) as client:
        client.get_secret("any")  # the token that it has is refused, and it gets no other


def test_a_federated_token_of_another_is_refused(nothing_managed, tmp_path):
    file = federated_token(tmp_path, "nobody")
    client_id = application("with-another-secret", "its own")
    credential = WorkloadIdentityCredential(tenant_id=TENANT, client_id=client_id, token_file_path=str(file))
    with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
        credential.get_token("https://vault.azure.net/.default")


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A certificate with its key, as an application's owner made it."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "production")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file
