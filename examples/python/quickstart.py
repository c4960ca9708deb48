"""Keeps a secret and wraps a data key with a key that never leaves its vault.

This is what production code looks like: nothing in it knows of Keyhaven. To run it:

    python3 -m venv .venv && .venv/bin/pip install azure-identity azure-keyvault-keys azure-keyvault-secrets
    keyhaven run -- .venv/bin/python examples/python/quickstart.py
"""

import os

from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient

vault, credential = f"https://{os.environ['KEY_VAULT_NAME']}.vault.azure.net", DefaultAzureCredential()

secrets = SecretClient(vault, credential)
secrets.set_secret("mySecret", "a secret value")
print("secret   ", secrets.get_secret("mySecret").value)

key = KeyClient(vault, credential).create_rsa_key("myKey")
cryptography = CryptographyClient(key, credential)
wrapped = cryptography.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"a data key").encrypted_key
print("unwrapped", cryptography.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key.decode())
