"""What was acknowledged survives the process; what is secret is readable nowhere on disk."""

import base64
import itertools
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient

from conftest import client_environment
from public_keys import encrypt
from server import Server

WRITERS = 4


@pytest.fixture
def mortal(source, tmp_path, monkeypatch):
    """A server of the test's own that may be killed; `start` starts it again, and points the environment there."""
    server = Server(tmp_path)

    def start() -> Server:
        server.start()
        for name, value in client_environment(server, source).items():
            monkeypatch.setenv(name, value)
        return server

    yield start
    if server.is_running():
        server.stop()


def test_an_acknowledged_key_survives_a_kill(mortal):
    server, data_key = mortal(), os.urandom(32)
    with ManagedIdentityCredential() as credential, KeyClient(server.vault_url(), credential) as client:
        made = client.create_rsa_key("survivor", size=3072, hardware_protected=True)
        server.kill()
    wrapped = encrypt(made, "RSA-OAEP-256", data_key)

    server = mortal()
    with ManagedIdentityCredential() as credential, KeyClient(server.vault_url(), credential) as client:
        found = client.get_key("survivor")
        assert (found.properties.version, found.key.n) == (made.properties.version, made.key.n)
        assert found.properties.created_on == made.properties.created_on
        with CryptographyClient(found, credential) as cryptography:
            assert cryptography.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == data_key


def test_an_acknowledged_secret_survives_a_kill(mortal):
    server = mortal()
    with ManagedIdentityCredential() as credential, SecretClient(server.vault_url(), credential) as client:
        written = client.set_secret("survivor", "still here", content_type="text/plain")
        server.kill()

    server = mortal()
    with ManagedIdentityCredential() as credential, SecretClient(server.vault_url(), credential) as client:
        found = client.get_secret("survivor")
        assert (found.value, found.properties.version) == ("still here", written.properties.version)
        assert found.properties.content_type == "text/plain"


def test_nothing_acknowledged_is_lost_in_a_stream_of_writes(mortal):
    server = mortal()
    acknowledged: dict[str, str] = {}

    def write(writer: int, client: SecretClient) -> None:
        for number in itertools.count():
            name, value = f"stream-{writer}-{number}", os.urandom(16).hex()
            try:
                client.set_secret(name, value)
            except AzureError:
                return  # the server is gone, as it should be
            acknowledged[name] = value
            if len(acknowledged) == 40:
                server.kill()

    with ManagedIdentityCredential() as credential:
        with SecretClient(server.vault_url(), credential, retry_total=0) as client:
            with ThreadPoolExecutor(WRITERS) as writers:
                list(writers.map(lambda writer: write(writer, client), range(WRITERS)))
    assert len(acknowledged) >= 40

    server = mortal()
    with ManagedIdentityCredential() as credential, SecretClient(server.vault_url(), credential) as client:
        assert {name: client.get_secret(name).value for name in acknowledged} == acknowledged


def test_a_clean_stop_keeps_everything(mortal):
    server = mortal()
    with ManagedIdentityCredential() as credential, SecretClient(server.vault_url(), credential) as client:
        client.set_secret("kept", "as it was")
    server.stop()
    server = mortal()
    with ManagedIdentityCredential() as credential, SecretClient(server.vault_url(), credential) as client:
        assert client.get_secret("kept").value == "as it was"


def test_no_secret_is_readable_on_disk(mortal):
    server, data_key, value = mortal(), os.urandom(32), "correct-horse-battery-staple-" + os.urandom(16).hex()
    with ManagedIdentityCredential() as credential:
        with SecretClient(server.vault_url(), credential) as client:
            client.set_secret("sealed", value)
            assert client.get_secret("sealed").value == value
        with KeyClient(server.vault_url(), credential) as client:
            key = client.create_rsa_key("sealed", size=2048)
        with CryptographyClient(key, credential) as client:
            wrapped = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, data_key).encrypted_key
            assert client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == data_key
    for needle in (value.encode(), data_key):
        assert places(server.home, needle) == []
        server.stop()
        assert places(server.home, needle) == []
        mortal()
    planted = server.data / "planted"
    planted.write_bytes(b"padding" + base64.b64encode(b"x" + value.encode()))
    assert places(server.home, value.encode()) == [planted], "the search itself must find what is there"


def test_nothing_on_disk_is_open_to_others(mortal):
    former = os.umask(0)  # the server must not rely on it
    try:
        server = mortal()
    finally:
        os.umask(former)
    with ManagedIdentityCredential() as credential, SecretClient(server.vault_url(), credential) as client:
        client.set_secret("private", "private")
    found = [server.data, *server.data.rglob("*"), server.home / "ready.json"]
    assert len(found) > 3
    assert [path for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []
    private = [path for path in (server.home / "certs").rglob("*") if b"PRIVATE" in content(path)]
    assert private != []
    assert [path for path in private if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []


def places(directory: Path, secret: bytes) -> list[Path]:
    """The files below `directory` that hold `secret`, raw or written in hexadecimal or base64 of either alphabet."""
    written = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for offset in range(3):  # base64 looks different at each of three offsets; its ends depend on the neighbours
        padded = base64.b64encode(bytes(offset) + secret)
        inner = padded[4 if offset else 0 : -4]
        written += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files != []
    return [path for path in files if any(form in content(path) for form in written)]


def content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
