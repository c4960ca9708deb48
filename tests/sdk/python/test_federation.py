"""Tokens of another issuer, whose keys the server fetches by OpenID Connect Discovery: as a cluster or a pipeline has them."""

import contextlib
import datetime
import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server import Server

CLIENT = "21212121-0000-4000-8000-000000000001"
AUDIENCE = "api://AzureADTokenExchange"
TENANT = "6b9e7c1a-0000-4000-8000-000000000001"


class Issuer:
    """An issuer on loopback: its configuration, its keys, and the tokens that it signs."""

    def __init__(self, home: Path):
        self.keys = {"one": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.asked: list[str] = []
        self.certificate = home / "issuer.pem"
        self.certificate.write_bytes(certified(self.keys["one"]))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}/cluster"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(self) -> type:
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                body = json.dumps(issuer.documents()[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def documents(self) -> dict[str, dict]:
        jwk = lambda kid, key: jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"}
        return {
            "/cluster/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/cluster/keys": {"keys": [jwk(kid, key) for kid, key in self.keys.items()]},
        }

    def token(self, kid: str = "one", key=None, **claims) -> str:
        said = {"iss": self.url, "sub": "system:serviceaccount:shop:till", "aud": [AUDIENCE], "exp": int(time.time()) + 600}
        return jwt.encode(said | claims, key or self.keys[kid], algorithm="RS256", headers={"kid": kid})


def certified(key) -> bytes:
    """The key, and a certificate of it for localhost."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory) -> Iterator[Issuer]:
    issuer = Issuer(tmp_path_factory.mktemp("issuer"))
    yield issuer
    issuer.server.shutdown()


class Silent:
    """An issuer that takes connections, and never says a word."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"https://127.0.0.1:{self.socket.getsockname()[1]}/silent"


@pytest.fixture(scope="module")
def silent() -> Iterator[Silent]:
    silent = Silent()
    yield silent
    silent.socket.close()


@pytest.fixture(scope="module")
def trusting(issuer, silent, tmp_path_factory) -> Iterator[Server]:
    """A server that trusts the issuer for one service account, and the issuer's certificate as the system's."""
    home = tmp_path_factory.mktemp("trusting")
    issuers = [issuer.url, silent.url]
    federated = [{"issuer": url, "subject": "system:serviceaccount:shop:till"} for url in issuers]
    policy = {"identity": "till", "permissions": {"secrets": ["set", "get"]}}
    config = {
        "tenantId": TENANT,
        "identities": [{"name": "till", "clientId": CLIENT, "federated": federated}],
        "vaults": [{"name": "shop", "accessPolicies": [policy]}],
    }
    (home / "config.json").write_text(json.dumps(config))
    settings = {"SSL_CERT_FILE": str(issuer.certificate)}
    server = Server(home, config=home / "config.json", settings=settings).start()
    yield server
    server.stop()


@pytest.fixture
def token_file(trusting, tmp_path, monkeypatch) -> Path:
    """Where the cluster puts the token; the environment is that of a pod with workload identity."""
    variables = {name: trusting.ready["env"][name] for name in ("REQUESTS_CA_BUNDLE",)}
    port = trusting.ready["listen"].rsplit(":", 1)[1]
    for name, value in (variables | {"AZURE_AUTHORITY_HOST": f"https://login.localhost:{port}"}).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "token"


def credential(file: Path, token: str) -> WorkloadIdentityCredential:
    file.write_text(token)
    return WorkloadIdentityCredential(tenant_id=TENANT, client_id=CLIENT, token_file_path=str(file))


def test_a_service_account_of_a_trusted_cluster_signs_in(issuer, trusting, token_file):
    with SecretClient(trusting.vault_url("shop"), credential(token_file, issuer.token())) as secrets:
        secrets.set_secret("till", "open")
        assert secrets.get_secret("till").value == "open"
    before = len(issuer.asked)
    credential(token_file, issuer.token()).get_token("https://vault.azure.net/.default")
    assert issuer.asked[-2:] == ["/cluster/.well-known/openid-configuration", "/cluster/keys"]
    assert len(issuer.asked) == before, "its keys are remembered"


@pytest.mark.parametrize(
    ("code", "claims"),
    [
        ("700213", {"sub": "system:serviceaccount:shop:thief"}),
        ("700213", {"iss": "https://localhost:1/cluster"}),
        ("700023", {"aud": "https://kubernetes.default.svc"}),
        ("700024", {"exp": 1}),
    ],
)
def test_other_tokens_are_refused(issuer, trusting, token_file, code, claims):
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{code}"):
        credential(token_file, issuer.token(**claims)).get_token("https://vault.azure.net/.default")


def test_a_token_whose_header_demands_an_extension_is_refused(issuer, trusting, token_file):
    """RFC 7515, section 4.1.11, though the issuer that is trusted signed it."""
    said = {"iss": issuer.url, "sub": "system:serviceaccount:shop:till", "aud": [AUDIENCE], "exp": int(time.time()) + 600}
    for crit in [["exp"], ["example"], [], None]:
        token = jwt.encode(said, issuer.keys["one"], algorithm="RS256", headers={"kid": "one", "crit": crit})
        with pytest.raises(ClientAuthenticationError, match="AADSTS50027"):
            credential(token_file, token).get_token("https://vault.azure.net/.default")


def test_a_forged_token_is_refused_and_made_up_keys_make_nobody_ask(issuer, trusting, token_file):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    credential(token_file, issuer.token()).get_token("https://vault.azure.net/.default")
    before = len(issuer.asked)
    for kid in ("one", "made-up-1", "made-up-2"):
        with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
            credential(token_file, issuer.token(kid, stranger)).get_token("https://vault.azure.net/.default")
    assert len(issuer.asked) == before


def test_the_trust_store_of_the_system_decides(issuer, tmp_path):
    """Without its certificate the issuer is nobody, and who signs in is told so."""
    federated = [{"issuer": issuer.url, "subject": "system:serviceaccount:shop:till"}]
    config = {"tenantId": TENANT, "identities": [{"name": "till", "clientId": CLIENT, "federated": federated}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    server = Server(tmp_path, config=tmp_path / "config.json").start()
    answer = post(server, issuer.token(), timeout=15)
    assert (answer.status_code, answer.json()["error_codes"]) == (401, [50166])
    server.stop()


def post(server: Server, assertion: str, timeout: float) -> requests.Response:
    """What the token endpoint answers to an assertion."""
    form = {
        "client_id": CLIENT,
        "scope": "https://vault.azure.net/.default",
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    port = server.ready["listen"].rsplit(":", 1)[1]
    url = f"https://login.localhost:{port}/{TENANT}/oauth2/v2.0/token"
    return requests.post(url, data=form, verify=server.ready["ca"], timeout=timeout)


def test_an_issuer_that_says_nothing_stops_nobody_else(issuer, silent, trusting):
    """Whoever knows whom an application trusts can make the server ask; nobody else waits for the answer."""
    assert post(trusting, issuer.token(), timeout=15).status_code == 200
    forged = issuer.token(iss=silent.url)
    for _ in range(10):
        with pytest.raises(requests.exceptions.ReadTimeout):
            post(trusting, forged, timeout=0.1)
    started = time.monotonic()
    assert post(trusting, issuer.token(), timeout=15).status_code == 200
    assert time.monotonic() - started < 2
    silent.socket.settimeout(0.5)
    connections = 0
    with contextlib.suppress(TimeoutError):
        while True:
            silent.socket.accept()[0].close()
            connections += 1
    assert connections == 1, "all that ask for one issuer wait for one answer"
    answer = post(trusting, forged, timeout=15)
    assert (answer.status_code, answer.json()["error_codes"]) == (401, [50166])
