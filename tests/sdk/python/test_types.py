"""EC and symmetric keys: every algorithm through the server, both ways against `cryptography`."""

import hashlib
import hmac
import os

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import KeyOperation
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import keywrap, padding
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from importable import symmetric_jwk

CURVES = {
    "P-256": (SignatureAlgorithm.es256, ec.SECP256R1(), SHA256()),
    "P-384": (SignatureAlgorithm.es384, ec.SECP384R1(), SHA384()),
    "P-521": (SignatureAlgorithm.es512, ec.SECP521R1(), SHA512()),
    "P-256K": (SignatureAlgorithm.es256_k, ec.SECP256K1(), SHA256()),
}
MESSAGE = b"The quick brown fox jumps over the lazy dog"


def digest(hash_algorithm) -> bytes:
    return hashlib.new(hash_algorithm.name, MESSAGE).digest()


@pytest.mark.parametrize("crv", CURVES)
@pytest.mark.parametrize("hsm", [False, True], ids=["EC", "EC-HSM"])
class TestEllipticCurves:
    def make(self, keys, crv, hsm):
        made = keys.create_ec_key(f"made-{crv}-{hsm}", curve=crv, hardware_protected=hsm)
        assert (made.key_type, made.key.crv) == ("EC-HSM" if hsm else "EC", crv)
        assert made.key_operations == ["sign", "verify"]
        return made

    def public(self, key, curve) -> ec.EllipticCurvePublicKey:
        x, y = (int.from_bytes(octets, "big") for octets in (key.key.x, key.key.y))
        return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()

    def test_others_verify_what_the_server_signed(self, keys, remotely, crv, hsm):
        algorithm, curve, hash_algorithm = CURVES[crv]
        key = self.make(keys, crv, hsm)
        signature = remotely(key).sign(algorithm, digest(hash_algorithm)).signature
        half = len(signature) // 2
        assert half == (curve.key_size + 7) // 8
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        self.public(key, curve).verify(utils.encode_dss_signature(r, s), MESSAGE, ec.ECDSA(hash_algorithm))
        with pytest.raises(InvalidSignature):
            self.public(key, curve).verify(utils.encode_dss_signature(r, s), b"other", ec.ECDSA(hash_algorithm))

    def test_the_server_verifies_its_own_and_no_others(self, keys, remotely, crv, hsm):
        algorithm, _, hash_algorithm = CURVES[crv]
        client = remotely(self.make(keys, crv, hsm))
        signature = client.sign(algorithm, digest(hash_algorithm)).signature
        assert client.verify(algorithm, digest(hash_algorithm), signature).is_valid is True
        assert client.verify(algorithm, digest(hash_algorithm)[::-1], signature).is_valid is False

    def test_the_client_verifies_itself_what_the_server_signed(self, keys, credential, crv, hsm):
        algorithm, _, hash_algorithm = CURVES[crv]
        with CryptographyClient(self.make(keys, crv, hsm), credential) as client:
            signature = client.sign(algorithm, digest(hash_algorithm)).signature
            assert client.verify(algorithm, digest(hash_algorithm), signature).is_valid is True

    def test_the_algorithm_of_another_curve_is_refused(self, keys, remotely, crv, hsm):
        client = remotely(self.make(keys, crv, hsm))
        for other, (algorithm, _, hash_algorithm) in CURVES.items():
            if other != crv:
                with pytest.raises(HttpResponseError, match=f"uses curve '{crv}'"):
                    client.sign(algorithm, digest(hash_algorithm))


def test_the_server_verifies_what_others_signed(keys, remotely):
    from importable import ec_jwk

    for crv, (algorithm, curve, hash_algorithm) in CURVES.items():
        theirs = ec.generate_private_key(curve)
        ours = keys.import_key(f"imported-{crv}", ec_jwk(theirs, crv))
        r, s = utils.decode_dss_signature(theirs.sign(MESSAGE, ec.ECDSA(hash_algorithm)))
        size = (curve.key_size + 7) // 8
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        assert remotely(ours).verify(algorithm, digest(hash_algorithm), signature).is_valid is True


def test_a_curve_under_its_older_name_has_its_own_algorithm(keys, remotely):
    """As `az keyvault key import` names the curve of every secp256k1 key."""
    from importable import ec_jwk

    theirs = ec.generate_private_key(ec.SECP256K1())
    ours = keys.import_key("older-name", ec_jwk(theirs, "SECP256K1"))
    assert ours.key.crv == "SECP256K1"
    with pytest.raises(HttpResponseError, match="uses curve 'SECP256K1', and algorithm 'ES256K' can only be used"):
        remotely(ours).sign(SignatureAlgorithm.es256_k, digest(SHA256()))
    signature = remotely(ours).sign("ECDSA256", digest(SHA256())).signature
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    theirs.public_key().verify(utils.encode_dss_signature(r, s), MESSAGE, ec.ECDSA(SHA256()))


def test_a_key_cannot_have_the_operations_of_another_type(keys):
    refused = r'Unsupported key operation\(s\): "wrapKey", "encrypt". Supported values are "sign", "verify".'
    with pytest.raises(HttpResponseError, match=refused):
        keys.create_ec_key("wrapping", key_operations=["wrapKey", "sign", "encrypt"])


@pytest.mark.parametrize("size", [128, 192, 256])
class TestSymmetric:
    """A key that was imported, so that both sides have it."""

    @pytest.fixture
    def secret(self, size) -> bytes:
        return os.urandom(size // 8)

    @pytest.fixture
    def client(self, keys, remotely, size, secret):
        operations = ["encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"]
        key = keys.import_key(f"oct-{size}", symmetric_jwk(secret, operations), hardware_protected=True)
        assert (key.key_type, key.key.k) == ("oct-HSM", None)
        return remotely(key)

    def test_gcm(self, client, secret, size):
        algorithm = EncryptionAlgorithm(f"A{size}GCM")
        sealed = client.encrypt(algorithm, MESSAGE, additional_authenticated_data=b"about")
        theirs = AESGCM(secret)
        opened = theirs.decrypt(sealed.iv, sealed.ciphertext + sealed.tag, sealed.aad)
        assert (opened, sealed.aad) == (MESSAGE, b"about")
        nonce = os.urandom(12)
        closed = theirs.encrypt(nonce, MESSAGE, b"other")
        plain = client.decrypt(
            algorithm,
            closed[:-16],
            iv=nonce,
            authentication_tag=closed[-16:],
            additional_authenticated_data=b"other",
        )
        assert plain.plaintext == MESSAGE
        with pytest.raises(HttpResponseError, match="Unable to decrypt"):
            client.decrypt(
                algorithm, closed[:-16], iv=nonce, authentication_tag=closed[-16:], additional_authenticated_data=b"x"
            )

    @pytest.mark.parametrize("padded", [False, True], ids=["CBC", "CBCPAD"])
    def test_cbc(self, client, secret, size, padded):
        algorithm = EncryptionAlgorithm(f"A{size}CBC{'PAD' if padded else ''}")
        plain = MESSAGE if padded else MESSAGE[:32]
        iv = os.urandom(16)
        sealed = client.encrypt(algorithm, plain, iv=iv)
        assert sealed.iv == iv
        cipher = Cipher(algorithms.AES(secret), modes.CBC(iv))
        decryptor, encryptor = cipher.decryptor(), cipher.encryptor()
        opened = decryptor.update(sealed.ciphertext) + decryptor.finalize()
        pad, unpad = padding.PKCS7(128).padder(), padding.PKCS7(128).unpadder()
        assert (unpad.update(opened) + unpad.finalize() if padded else opened) == plain
        text = pad.update(plain) + pad.finalize() if padded else plain
        closed = encryptor.update(text) + encryptor.finalize()
        assert closed == sealed.ciphertext
        assert client.decrypt(algorithm, closed, iv=iv).plaintext == plain

    def test_key_wrap(self, client, secret, size):
        data_key = os.urandom(32)
        for algorithm in (KeyWrapAlgorithm(f"A{size}KW"), KeyWrapAlgorithm("CKM_AES_KEY_WRAP")):
            wrapped = client.wrap_key(algorithm, data_key).encrypted_key
            assert keywrap.aes_key_unwrap(secret, wrapped) == data_key
            assert client.unwrap_key(algorithm, keywrap.aes_key_wrap(secret, data_key)).key == data_key

    def test_key_wrap_with_padding(self, client, secret):
        algorithm, data_key = KeyWrapAlgorithm("CKM_AES_KEY_WRAP_PAD"), os.urandom(21)
        wrapped = client.wrap_key(algorithm, data_key).encrypted_key
        assert keywrap.aes_key_unwrap_with_padding(secret, wrapped) == data_key
        assert client.unwrap_key(algorithm, keywrap.aes_key_wrap_with_padding(secret, data_key)).key == data_key

    @pytest.mark.parametrize("bits", [256, 384, 512])
    def test_hmac(self, client, secret, bits):
        algorithm = SignatureAlgorithm(f"HS{bits}")
        value = hashlib.new(f"sha{bits}", MESSAGE).digest()
        theirs = hmac.new(secret, value, f"sha{bits}").digest()
        assert client.sign(algorithm, value).signature == theirs
        assert client.verify(algorithm, value, theirs).is_valid is True
        assert client.verify(algorithm, value, theirs[::-1]).is_valid is False


def test_a_symmetric_key_is_made_by_the_server(keys, remotely):
    made = keys.create_oct_key("made", size=256, hardware_protected=True)
    assert (made.key_type, made.key.k, made.properties.hsm_platform) == ("oct-HSM", None, "2")
    assert keys.get_key("made").id == made.id
    client = remotely(made)
    wrapped = client.wrap_key(KeyWrapAlgorithm.aes_256, b"0" * 32).encrypted_key
    assert client.unwrap_key(KeyWrapAlgorithm.aes_256, wrapped).key == b"0" * 32
    with pytest.raises(HttpResponseError, match="Invalid kty value: oct"):
        keys.create_oct_key("soft", size=256)


def test_an_exponent_is_chosen(keys, remotely):
    made = keys.create_rsa_key("exponent", size=2048, public_exponent=17, key_operations=[KeyOperation.sign])
    assert int.from_bytes(made.key.e, "big") == 17
    assert len(remotely(made).sign(SignatureAlgorithm.ps256, b"0" * 32).signature) == 256
