"""Logs at their most talkative and the audit hold no secret of the whole run (`secrecy.py`; conftest.py looks at its end): here, that
what is searched for would be found."""

import json
import os
import shutil

import pytest
from azure.keyvault.keys.crypto import EncryptionAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from importable import ec_jwk
from secrecy import Secrecy, forms

SECRET = "correct horse \"☃\" battery staple " + os.urandom(12).hex()


def test_every_form_of_a_secret_is_found(tmp_path):
    secrecy, file = Secrecy(), tmp_path / "log"
    secrecy.add(SECRET, bytes(range(7)))
    for form in {*forms(SECRET.encode())}:
        file.write_bytes(b"INFO something is 'a" + form + b"b'\n")
        assert len(secrecy.found_in([file])) == 1, form
    file.write_text(f"INFO something is {SECRET[:-1]}, 00010203040506\n")
    assert secrecy.found_in([file]) == [], "part of it, and what is too short"


@pytest.fixture
def used(keys, secrets, remotely) -> list[bytes]:
    """What a client sent and got: a value, the private number of a key, a plaintext."""
    private, plaintext = ec.generate_private_key(ec.SECP256R1()), os.urandom(24)
    secrets.set_secret("planted", SECRET)
    assert secrets.get_secret("planted").value == SECRET
    keys.import_key("planted", ec_jwk(private, "P-256"))
    with remotely(keys.create_rsa_key("planted-rsa", size=2048)) as client:
        ciphertext = client.encrypt(EncryptionAlgorithm.rsa_oaep_256, plaintext).ciphertext
        assert client.decrypt(EncryptionAlgorithm.rsa_oaep_256, ciphertext).plaintext == plaintext
    return [SECRET.encode(), private.private_numbers().private_value.to_bytes(32, "big"), plaintext]


def test_what_clients_used_is_searched_for_and_would_be_found(used, server, credential, wire, tmp_path):
    server.keep_what_it_shows()
    files = server.files_without_secrets()
    assert wire.secrecy.found_in(files) == []
    token, own = credential.get_token("https://vault.azure.net/.default").token, server.secrets()
    wire.secrecy.add(*own)
    planted = [form for secret in [*used, token.encode(), *own] for form in {*forms(secret)}]
    for file in files:
        copy = tmp_path / file.name
        shutil.copy(file, copy)
        with open(copy, "ab") as end:
            end.writelines(b"\nINFO it is '" + form + b"'" for form in planted)
        assert {f"{copy}:{form.decode()}" for form in planted} <= set(wire.secrecy.found_in([copy]))


def test_the_log_is_at_its_most_talkative_and_everything_has_the_requests(used, server):
    server.keep_what_it_shows()
    log, audit, shown = (file.read_text() for file in server.files_without_secrets())
    assert " TRACE " in log and "SecretSet factory-vault/planted 200" in log
    operations = [record["operationName"] for record in map(json.loads, audit.splitlines())]
    assert {"SecretSet", "SecretGet", "KeyImport", "KeyDecrypt"} <= set(operations)
    assert '"SecretSet"' in shown and "SecretSet factory-vault/planted 200" in shown
