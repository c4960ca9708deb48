"""`az keyvault key`, from create to purge; what is signed and encrypted is checked outside the vault too."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

VAULT = ("--vault-name", "contoso-prod")
COPY = ("--vault-name", "contoso-copy")
LISTS = ("--vault-name", "contoso-lists")

DIGEST = hashlib.sha256(b"a message").digest()
FORGED = hashlib.sha256(b"another message").digest()


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def verify_here(public, signature: bytes) -> None:
    """Raises unless `signature` is one of DIGEST."""
    if isinstance(public, RSAPublicKey):
        public.verify(signature, DIGEST, padding.PSS(padding.MGF1(SHA256()), 32), utils.Prehashed(SHA256()))
    else:
        r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
        public.verify(utils.encode_dss_signature(r, s), DIGEST, ec.ECDSA(utils.Prehashed(SHA256())))


@pytest.mark.parametrize(
    ("name", "algorithm", "kind"),
    [
        ("signing-rsa", "PS256", ("--kty", "RSA", "--size", "3072")),
        ("signing-ec", "ES256", ("--kty", "EC", "--curve", "P-256")),
    ],
    ids=["RSA", "EC"],
)
def test_a_key_signs(az, tmp_path, name, algorithm, kind):
    of = (*VAULT, "-n", name)
    kid = az("keyvault", "key", "create", *of, *kind)["key"]["kid"]
    signed = az("keyvault", "key", "sign", *of, "-a", algorithm, "--digest", text(DIGEST))
    assert (signed["algorithm"], signed["keyId"]) == (algorithm, kid)

    verify = ("keyvault", "key", "verify", *of, "-a", algorithm, "--signature", signed["signature"], "--digest")
    assert az(*verify, text(DIGEST)) == {"algorithm": algorithm, "isValid": True, "keyId": kid}
    assert az(*verify, text(FORGED))["isValid"] is False

    az("keyvault", "key", "download", *of, "-e", "PEM", "-f", tmp_path / "public.pem")
    public = load_pem_public_key((tmp_path / "public.pem").read_bytes())
    verify_here(public, base64.b64decode(signed["signature"]))


def test_a_key_encrypts_and_decrypts(az):
    of = (*VAULT, "-n", "encryption")
    made = az("keyvault", "key", "create", *of, "--kty", "RSA-HSM", "--size", "2048")
    assert (made["key"]["kty"], len(base64.b64decode(made["key"]["n"]))) == ("RSA-HSM", 256)
    assert az("keyvault", "key", "show", *of) == made

    algorithm = ("-a", "RSA-OAEP-256")
    encrypt = ("keyvault", "key", "encrypt", *of, *algorithm, "--data-type", "plaintext")
    encrypted = az(*encrypt, "--value", "a data key")
    assert (encrypted["kid"], len(base64.b64decode(encrypted["result"]))) == (made["key"]["kid"], 256)
    decrypt = ("keyvault", "key", "decrypt", *of, *algorithm, "--data-type", "plaintext")
    assert az(*decrypt, "--value", encrypted["result"])["result"] == "a data key"
    refusal = az.refused(*decrypt, "--value", text(bytes(256)))
    assert (refusal.exit, refusal.code) == (1, "BadParameter")


def test_a_key_from_elsewhere_is_imported(az, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    of = (*VAULT, "-n", "imported")
    made = az("keyvault", "key", "import", *of, "--pem-file", file)["key"]
    assert (made["kty"], made["crv"], made["d"]) == ("EC", "P-256", None)
    signed = az("keyvault", "key", "sign", *of, "-a", "ES256", "--digest", text(DIGEST))
    verify_here(key.public_key(), base64.b64decode(signed["signature"]))


def test_a_key_is_listed_deleted_recovered_and_purged(az):
    name = ("-n", "life")
    assert az("keyvault", "key", "list", *LISTS) == []
    made = az("keyvault", "key", "create", *LISTS, *name, "--kty", "EC")
    assert [key["name"] for key in az("keyvault", "key", "list", *LISTS)] == ["life"]

    deleted = az("keyvault", "key", "delete", *LISTS, *name)
    assert deleted["recoveryId"] == "https://contoso-lists.vault.azure.net/deletedkeys/life"
    gone = az.refused("keyvault", "key", "show", *LISTS, *name)
    assert (gone.exit, gone.code) == (3, "KeyNotFound")
    assert [key["name"] for key in az("keyvault", "key", "list-deleted", *LISTS)] == ["life"]
    assert az("keyvault", "key", "show-deleted", *LISTS, *name) == deleted

    az("keyvault", "key", "recover", *LISTS, *name)
    assert az("keyvault", "key", "show", *LISTS, *name) == made

    az("keyvault", "key", "delete", *LISTS, *name)
    az("keyvault", "key", "purge", *LISTS, *name)
    assert az("keyvault", "key", "list-deleted", *LISTS) == []


def test_a_backup_is_restored_in_another_vault(az, tmp_path):
    """What the key of one vault has encrypted, the restored key of another decrypts."""
    file = tmp_path / "key.backup"
    made = az("keyvault", "key", "create", *VAULT, "-n", "saved", "--kty", "RSA")
    value = ("-a", "RSA-OAEP", "--data-type", "plaintext", "--value")
    encrypted = az("keyvault", "key", "encrypt", *VAULT, "-n", "saved", *value, "kept")["result"]
    az("keyvault", "key", "backup", *VAULT, "-n", "saved", "--file", file)
    restored = az("keyvault", "key", "restore", *COPY, "--file", file)
    assert restored["key"]["kid"] == made["key"]["kid"].replace("contoso-prod", "contoso-copy")
    assert restored["key"]["n"] == made["key"]["n"]
    assert az("keyvault", "key", "decrypt", *COPY, "-n", "saved", *value, encrypted)["result"] == "kept"


@pytest.mark.parametrize(
    ("command", "permission"),
    [(("show", "-n", "encryption"), "get"), (("create", "-n", "mine"), "create"), (("delete", "-n", "mine"), "delete")],
    ids=["show", "create", "delete"],
)
def test_who_has_no_permission_is_refused(nobody, command, permission):
    refusal = nobody.refused("keyvault", "key", *command, *VAULT)
    assert (refusal.exit, refusal.code) == (1, "Forbidden")
    assert f"does not have keys {permission} permission on key vault 'contoso-prod;location=" in refusal.message


def test_a_key_rotates_by_hand_and_has_a_policy(az, tmp_path):
    of = (*VAULT, "-n", "rotated")
    first = az("keyvault", "key", "create", *of, "--kty", "EC", "--curve", "P-384")
    policy = tmp_path / "policy.json"
    policy.write_text(
        '{"lifetimeActions": [{"trigger": {"timeAfterCreate": "P30D"}, "action": {"type": "Rotate"}}],'
        ' "attributes": {"expiryTime": "P90D"}}'
    )
    assert az("keyvault", "key", "rotation-policy", "show", *of)["createdOn"] is None
    az("keyvault", "key", "rotation-policy", "update", *of, "--value", policy)
    shown = az("keyvault", "key", "rotation-policy", "show", *of)
    assert (shown["expiresIn"], len(shown["lifetimeActions"])) == ("P90D", 2)

    rotated = az("keyvault", "key", "rotate", *of)
    assert (rotated["key"]["kty"], rotated["key"]["crv"]) == ("EC", "P-384")
    assert rotated["key"]["kid"] != first["key"]["kid"]
    assert rotated["attributes"]["expires"] is not None
    assert az("keyvault", "key", "show", *of)["key"]["kid"] == rotated["key"]["kid"]
