#!/usr/bin/env bash
# cosign and sops as published, inside `keyhaven run --credential client-secret` (cosign signs in by a client secret or by
# the Azure CLI): each makes what its users make, and reads it again.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD" || true' EXIT
vault=${KEYHAVEN_VAULT_URL#https://}

# It makes its key with a size that belongs to RSA: {"kty":"EC","key_size":2048}.
echo "cosign: a key in the vault signs a file"
key=azurekms://$vault/signing
echo "a release" >release
cosign generate-key-pair --kms "$key"
cosign sign-blob --key "$key" --tlog-upload=false --yes --output-signature release.sig release
cosign verify-blob --key "$key" --insecure-ignore-tlog --signature release.sig release
cosign verify-blob --key cosign.pub --insecure-ignore-tlog --signature release.sig release
echo "another release" >release
if cosign verify-blob --key "$key" --insecure-ignore-tlog --signature release.sig release 2>/dev/null; then
    echo "cosign verified another file's signature" >&2
    exit 1
fi

echo "sops: a key in the vault encrypts a file"
scope=https://vault.azure.net/.default
token=$(curl --silent --fail "https://login.microsoftonline.com/$AZURE_TENANT_ID/oauth2/v2.0/token" \
    --data "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET&scope=$scope" |
    grep -o '"access_token":"[^"]*"' | cut -d'"' -f4)
created=$(curl --silent --fail --header "Authorization: Bearer $token" --json '{"kty":"RSA"}' \
    "$KEYHAVEN_VAULT_URL/keys/files/create?api-version=7.4")
kid=$(grep -o '"kid":"[^"]*"' <<<"$created" | cut -d'"' -f4)
echo "password: swordfish" >plain.yaml
sops encrypt --azure-kv "$kid" plain.yaml >sealed.yaml
if grep -q swordfish sealed.yaml; then
    echo "sops left the password in the file" >&2
    exit 1
fi
sops decrypt sealed.yaml | cmp - plain.yaml
