"""Reads a secret, and sees that it may not set one.

This is what production code looks like: nothing in it knows of Keyhaven. examples/sidecar runs it as an identity that may read alone.
"""

import os

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

secrets = SecretClient(f"https://{os.environ['KEY_VAULT_NAME']}.vault.azure.net", DefaultAzureCredential())
print("secret   ", secrets.get_secret("sql-password").value)
try:
    secrets.set_secret("sql-password", "another")
except HttpResponseError as error:
    print("refused  ", error.status_code, error.error.code)
