"""Importing keys, transferring them from an HSM, and policies of their release."""

import base64
import json
import os

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import JsonWebKey, KeyReleasePolicy
from azure.keyvault.keys.crypto import KeyWrapAlgorithm
from cryptography.hazmat.primitives import keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1

from importable import rsa_jwk
from public_keys import encrypt, public_key


@pytest.fixture(scope="module")
def theirs() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "n, e, d alone"])
@pytest.mark.parametrize("hsm", [False, True], ids=["RSA", "RSA-HSM"])
def test_an_imported_key_opens_what_was_closed_for_it(keys, remotely, theirs, whole, hsm):
    data_key = os.urandom(32)
    made = keys.import_key(f"imported-{whole}-{hsm}", rsa_jwk(theirs, whole=whole), hardware_protected=hsm)
    assert (made.key_type, made.key.d) == ("RSA-HSM" if hsm else "RSA", None)
    assert public_key(made).public_numbers() == theirs.public_key().public_numbers()
    wrapped = encrypt(made, "RSA-OAEP-256", data_key)
    assert remotely(made).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == data_key


def test_a_key_that_is_none_is_refused(keys, theirs):
    damaged = rsa_jwk(theirs)
    damaged.d = damaged.d[:-1] + bytes([damaged.d[-1] ^ 2])
    with pytest.raises(HttpResponseError, match="RSA key is not valid"):
        keys.import_key("damaged", damaged)
    with pytest.raises(HttpResponseError, match="must be a valid JsonWebKey"):
        keys.import_key("damaged", JsonWebKey(kty="RSA"))


def test_a_key_is_transferred_as_a_byok_script_does_it(keys, remotely, theirs):
    """Microsoft's BYOK specification: a key-exchange key, a wrapped target key, a transfer blob."""
    kek = keys.create_rsa_key("kek", size=2048, hardware_protected=True, key_operations=["import"])
    wrapping = os.urandom(32)
    encrypted = public_key(kek).encrypt(wrapping, padding.OAEP(padding.MGF1(SHA1()), SHA1(), label=None))
    pkcs8 = theirs.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ciphertext = encrypted + keywrap.aes_key_wrap_with_padding(wrapping, pkcs8)
    blob = {
        "schema_version": "1.0.0",
        "header": {"kid": kek.id, "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"},
        "ciphertext": base64.urlsafe_b64encode(ciphertext).rstrip(b"=").decode(),
        "generator": "a test",
    }
    made = keys.import_key("transferred", JsonWebKey(kty="RSA-HSM", t=json.dumps(blob).encode()))
    assert public_key(made).public_numbers() == theirs.public_key().public_numbers()
    data_key = os.urandom(32)
    wrapped = encrypt(made, "RSA-OAEP", data_key)
    assert remotely(made).unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped).key == data_key


def policy(claim: str, *, immutable: bool = False) -> KeyReleasePolicy:
    conditions = [{"authority": "https://a.example", "anyOf": [{"claim": claim, "equals": "true"}]}]
    return KeyReleasePolicy(json.dumps({"anyOf": conditions, "version": "1.0.0"}).encode(), immutable=immutable)


def test_a_release_policy_is_kept_until_it_is_immutable(keys):
    made = keys.create_ec_key("released", hardware_protected=True, exportable=True, release_policy=policy("a"))
    assert made.properties.exportable is True
    kept = json.loads(made.properties.release_policy.encoded_policy)
    assert list(kept) == ["version", "anyOf"] and kept["anyOf"][0]["anyOf"][0]["claim"] == "a"
    changed = keys.update_key_properties("released", release_policy=policy("b", immutable=True))
    assert changed.properties.release_policy.immutable is True
    with pytest.raises(HttpResponseError, match="AKV.SKR.1020"):
        keys.update_key_properties("released", release_policy=policy("c"))
    with pytest.raises(HttpResponseError, match="AKV.SKR.1004"):
        keys.create_rsa_key("unreleased", exportable=True)
    with pytest.raises(HttpResponseError, match="does not release keys"):
        keys.release_key("released", "a target")
