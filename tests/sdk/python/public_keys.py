"""The other side of each operation, by `cryptography`: what a partner does who was only ever given the public key."""

import hashlib

from azure.keyvault.keys import KeyVaultKey
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm

ENCRYPTION = [EncryptionAlgorithm.rsa1_5, EncryptionAlgorithm.rsa_oaep, EncryptionAlgorithm.rsa_oaep_256]
WRAPPING = [KeyWrapAlgorithm.rsa1_5, KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa_oaep_256]
SIGNATURE = [
    SignatureAlgorithm.rs256,
    SignatureAlgorithm.rs384,
    SignatureAlgorithm.rs512,
    SignatureAlgorithm.ps256,
    SignatureAlgorithm.ps384,
    SignatureAlgorithm.ps512,
]

_HASHES = {"256": SHA256, "384": SHA384, "512": SHA512}


def public_key(key: KeyVaultKey) -> rsa.RSAPublicKey:
    number = lambda octets: int.from_bytes(octets, "big")
    return rsa.RSAPublicNumbers(number(key.key.e), number(key.key.n)).public_key()


def encrypt(key: KeyVaultKey, algorithm: str, plaintext: bytes) -> bytes:
    return public_key(key).encrypt(plaintext, _encryption_padding(algorithm))


def digest(algorithm: str, message: bytes) -> bytes:
    return hashlib.new(f"sha{algorithm[2:]}", message).digest()


def is_signature(key: KeyVaultKey, algorithm: str, digest: bytes, signature: bytes) -> bool:
    hash_algorithm = _HASHES[algorithm[2:]]()
    scheme = _signature_padding(algorithm, hash_algorithm)
    try:
        public_key(key).verify(signature, digest, scheme, utils.Prehashed(hash_algorithm))
    except InvalidSignature:
        return False
    return True


def _encryption_padding(algorithm: str):
    if algorithm == "RSA1_5":
        return padding.PKCS1v15()
    hash_algorithm = {"RSA-OAEP": SHA1, "RSA-OAEP-256": SHA256}[algorithm]
    return padding.OAEP(padding.MGF1(hash_algorithm()), hash_algorithm(), label=None)


def _signature_padding(algorithm: str, hash_algorithm: HashAlgorithm):
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hash_algorithm), salt_length=hash_algorithm.digest_size)
