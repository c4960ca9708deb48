// The tenant of the suite, and clients in it. A client gets a vault and a credential, and no option.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { ManagedIdentityCredential } from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";

const config = JSON.parse(readFileSync(new URL("../config.json", import.meta.url), "utf8"));

export const tenant = config.tenantId;
/** Who they are: ../README.md. */
export const [reader, factory, operator, stranger] = config.identities;

const vaults = JSON.parse(process.env.VAULTS);
export const vaultUrl = vaults["factory-vault"];
export const listingVaultUrl = vaults["listing-vault"];

/** The system-assigned identity, which may do everything. */
export const credential = new ManagedIdentityCredential();
/** The user-assigned identity `identity`. */
export const as = (identity) => new ManagedIdentityCredential({ clientId: identity.clientId });

export const keys = new KeyClient(vaultUrl, credential);
export const secrets = new SecretClient(vaultUrl, credential);

/** For assert.rejects: is `error` a RestError with this status, code and inner code? */
export const refusal = (status, code, inner) => (error) => {
  assert.deepEqual([error.statusCode, error.code, error.details?.error.innerError?.code], [status, code, inner]);
  return true;
};
