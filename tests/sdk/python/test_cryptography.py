"""Using keys: every algorithm on every kind of key, through the server and against `cryptography`."""

import os

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm

from public_keys import ENCRYPTION, SIGNATURE, WRAPPING, digest, encrypt, is_signature

MESSAGE = b"The quick brown fox jumps over the lazy dog"


@pytest.fixture
def used(wire):
    """Checks that the server has done exactly these operations since the test began."""
    mark = len(wire.exchanges)

    def used(*operations: str) -> bool:
        posts = [exchange for exchange in wire.since(mark) if exchange.method == "POST" and exchange.status == 200]
        return [exchange.path.rsplit("/", 1)[1].lower() for exchange in posts] == list(operations)

    return used


@pytest.mark.parametrize("algorithm", ENCRYPTION)
class TestEncryption:
    def test_the_server_encrypts_and_decrypts(self, key, remotely, used, algorithm):
        client, plaintext = remotely(key), os.urandom(100)
        encrypted = client.encrypt(algorithm, plaintext)
        assert encrypted.ciphertext != client.encrypt(algorithm, plaintext).ciphertext
        decrypted = client.decrypt(algorithm, encrypted.ciphertext)
        assert decrypted.plaintext == plaintext
        assert encrypted.key_id == decrypted.key_id == key.id
        assert used("encrypt", "encrypt", "decrypt")

    def test_the_server_decrypts_what_others_encrypted(self, key, remotely, algorithm):
        plaintext = os.urandom(64)
        ciphertext = encrypt(key, algorithm.value, plaintext)
        assert remotely(key).decrypt(algorithm, ciphertext).plaintext == plaintext

    def test_the_server_decrypts_what_the_client_encrypted_itself(self, key, credential, used, algorithm):
        with CryptographyClient(key, credential) as client:
            ciphertext = client.encrypt(algorithm, MESSAGE).ciphertext
            assert used()
            assert client.decrypt(algorithm, ciphertext).plaintext == MESSAGE
            assert used("decrypt")


@pytest.mark.parametrize("algorithm", WRAPPING)
class TestWrapping:
    def test_the_server_wraps_and_unwraps(self, key, remotely, used, algorithm):
        client, data_key = remotely(key), os.urandom(32)
        wrapped = client.wrap_key(algorithm, data_key)
        unwrapped = client.unwrap_key(algorithm, wrapped.encrypted_key)
        assert unwrapped.key == data_key
        assert wrapped.key_id == unwrapped.key_id == key.id
        assert used("wrapkey", "unwrapkey")

    def test_the_server_unwraps_what_others_wrapped(self, key, remotely, algorithm):
        data_key = os.urandom(32)
        wrapped = encrypt(key, algorithm.value, data_key)
        assert remotely(key).unwrap_key(algorithm, wrapped).key == data_key

    def test_the_server_unwraps_what_the_client_wrapped_itself(self, key, credential, used, algorithm):
        data_key = os.urandom(32)
        with CryptographyClient(key, credential) as client:
            wrapped = client.wrap_key(algorithm, data_key).encrypted_key
            assert used()
            assert client.unwrap_key(algorithm, wrapped).key == data_key
            assert used("unwrapkey")


@pytest.mark.parametrize("algorithm", SIGNATURE)
class TestSignatures:
    def test_the_server_signs_and_verifies(self, key, remotely, used, algorithm):
        client, hashed = remotely(key), digest(algorithm.value, MESSAGE)
        signed = client.sign(algorithm, hashed)
        assert signed.key_id == key.id
        assert client.verify(algorithm, hashed, signed.signature).is_valid is True
        assert used("sign", "verify")

    def test_a_signature_is_good_for_one_message_only(self, key, remotely, used, algorithm):
        client, hashed = remotely(key), digest(algorithm.value, MESSAGE)
        signature = client.sign(algorithm, hashed).signature
        damaged = signature[:-1] + bytes([signature[-1] ^ 1])
        assert client.verify(algorithm, digest(algorithm.value, b"other"), signature).is_valid is False
        assert client.verify(algorithm, hashed, damaged).is_valid is False
        assert used("sign", "verify", "verify")

    def test_others_verify_what_the_server_signed(self, key, remotely, algorithm):
        hashed = digest(algorithm.value, MESSAGE)
        signature = remotely(key).sign(algorithm, hashed).signature
        assert is_signature(key, algorithm.value, hashed, signature)
        assert not is_signature(key, algorithm.value, digest(algorithm.value, b"other"), signature)

    def test_the_client_verifies_itself_what_the_server_signed(self, key, credential, used, algorithm):
        hashed = digest(algorithm.value, MESSAGE)
        with CryptographyClient(key, credential) as client:
            signature = client.sign(algorithm, hashed).signature
            assert client.verify(algorithm, hashed, signature).is_valid is True
        assert used("sign")


def test_an_old_version_unwraps_what_it_wrapped(keys, credential):
    old = keys.create_rsa_key("rotated", size=2048)
    data_key = os.urandom(32)
    wrapped = encrypt(old, "RSA-OAEP-256", data_key)
    new = keys.create_rsa_key("rotated", size=2048)
    client = keys.get_cryptography_client("rotated", key_version=old.properties.version)
    assert client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == data_key
    with CryptographyClient(new, credential) as client:
        assert refused(lambda: client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped)) == (400, "BadParameter")


def test_a_key_is_used_by_its_name_alone(keys):
    keys.create_rsa_key("latest", size=2048)
    latest = keys.create_rsa_key("latest", size=2048)
    signed = keys.get_cryptography_client("latest").sign(SignatureAlgorithm.ps256, digest("PS256", MESSAGE))
    assert is_signature(latest, "PS256", digest("PS256", MESSAGE), signed.signature)


def test_the_private_key_object_signs_and_decrypts(key, credential):
    """The SDK's face for libraries that expect a private key of `cryptography`: the server does the private part."""
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.hashes import SHA256

    with CryptographyClient(key, credential) as client:
        private = client.create_rsa_private_key()
        signature = private.sign(MESSAGE, padding.PKCS1v15(), SHA256())
        assert is_signature(key, "RS256", digest("RS256", MESSAGE), signature)
        ciphertext = encrypt(key, "RSA-OAEP-256", MESSAGE)
        assert private.decrypt(ciphertext, padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)) == MESSAGE


@pytest.mark.parametrize("algorithm", ENCRYPTION)
def test_the_longest_plaintext_fits_and_one_byte_more_does_not(key, remotely, algorithm):
    padded = {"RSA1_5": 11, "RSA-OAEP": 42, "RSA-OAEP-256": 66}[algorithm.value]
    client, longest = remotely(key), os.urandom(len(key.key.n) - padded)
    assert client.decrypt(algorithm, client.encrypt(algorithm, longest).ciphertext).plaintext == longest
    assert refused(lambda: client.encrypt(algorithm, longest + b"!")) == (400, "BadParameter")


@pytest.mark.parametrize("algorithm", [EncryptionAlgorithm.rsa_oaep, EncryptionAlgorithm.rsa_oaep_256])
def test_a_damaged_ciphertext_is_refused(key, remotely, algorithm):
    client = remotely(key)
    ciphertext = bytearray(client.encrypt(algorithm, MESSAGE).ciphertext)
    ciphertext[-1] ^= 1
    assert refused(lambda: client.decrypt(algorithm, bytes(ciphertext))) == (400, "BadParameter")
    assert refused(lambda: client.decrypt(algorithm, bytes(ciphertext[:-1]))) == (400, "BadParameter")


def test_a_digest_of_the_wrong_length_is_refused(key, remotely):
    assert refused(lambda: remotely(key).sign(SignatureAlgorithm.rs384, b"0" * 32)) == (400, "BadParameter")


def test_an_algorithm_of_other_keys_is_refused(key, remotely):
    client = remotely(key)
    assert refused(lambda: client.sign(SignatureAlgorithm.es256, b"0" * 32))[0] == 400
    assert refused(lambda: client.wrap_key(KeyWrapAlgorithm.aes_256, b"0" * 32))[0] == 400


def refused(use) -> tuple[int, str]:
    with pytest.raises(HttpResponseError) as error:
        use()
    return error.value.status_code, error.value.error.code
