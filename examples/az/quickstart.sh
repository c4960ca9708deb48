#!/usr/bin/env bash
# The quickstarts of Azure Key Vault for the Azure CLI (learn.microsoft.com/azure/key-vault/secrets/quick-create-cli and
# keys/quick-create-cli), signed in as the managed identity. Nothing in it knows of Keyhaven. To run it:
#
#   keyhaven run -- examples/az/quickstart.sh
set -euo pipefail

az login --identity --output none

az keyvault secret set --vault-name "$KEY_VAULT_NAME" --name ExamplePassword --value "a secret value" --output none
secret=$(az keyvault secret show --vault-name "$KEY_VAULT_NAME" --name ExamplePassword --query value --output tsv)
echo "secret    $secret"

az keyvault key create --vault-name "$KEY_VAULT_NAME" --name ExampleKey --kty RSA --output none
use=(--vault-name "$KEY_VAULT_NAME" --name ExampleKey --algorithm RSA-OAEP-256 --output tsv --only-show-errors)
encrypted=$(az keyvault key encrypt "${use[@]}" --value "$(printf 'a data key' | base64)" --query result)
decrypted=$(az keyvault key decrypt "${use[@]}" --value "$encrypted" --query result | base64 --decode)
echo "decrypted $decrypted"
