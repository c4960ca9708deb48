"""Wraps a data key with a key that never leaves its vault, and sees an identity without permission refused.

This is what production code looks like: nothing in it knows of Keyhaven. To run it:

    python3 -m venv .venv && .venv/bin/pip install azure-identity azure-keyvault-keys
    keyhaven run -- .venv/bin/python examples/first_key.py
"""

import os
import sys

from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

NOBODY = "6b9e7c1a-0000-4000-8000-00000000c11f"  # a managed identity that no access policy names


def main() -> bool:
    vault_url = os.environ["KEYHAVEN_VAULT_URL"]
    print("vault    ", vault_url)
    credential = ManagedIdentityCredential()
    return use_a_key(vault_url, credential) and is_refused(vault_url, ManagedIdentityCredential(client_id=NOBODY))


def use_a_key(vault_url: str, credential: ManagedIdentityCredential) -> bool:
    key = KeyClient(vault_url, credential).create_rsa_key("first-key", size=3072, hardware_protected=True)
    print("key      ", key.id, f"({key.key_type.value}, {len(key.key.n) * 8} bits)")

    data_key = os.urandom(32)
    client = CryptographyClient(key, credential)
    wrapped = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, data_key).encrypted_key
    print("wrapped  ", len(data_key), "bytes into", len(wrapped), "(RSA-OAEP-256)")

    unwrapped = client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key  # only the vault can do this
    same = unwrapped == data_key
    print("unwrapped", "the same" if same else "OTHER", len(unwrapped), "bytes")
    return same


def is_refused(vault_url: str, credential: ManagedIdentityCredential) -> bool:
    try:
        KeyClient(vault_url, credential).get_key("first-key")
    except HttpResponseError as error:
        missing = error.response.headers.get("x-keyhaven-missing")
        print(f"refused   status {error.status_code}, {error.error.code}, x-keyhaven-missing: {missing}")
        return error.status_code == 403 and missing == "keys/get"
    print("NOT REFUSED: the identity without permission read the key")
    return False


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
