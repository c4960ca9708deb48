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
export const lifecycleVaultUrl = vaults["lifecycle-vault"]; // keeps what is deleted for 7 days
export const slowVaultUrl = vaults["slow-vault"]; // takes 3 s to delete, to recover and to purge
export const guardedVaultUrl = vaults["guarded-vault"]; // purge protection
export const plainVaultUrl = vaults["plain-vault"]; // no soft delete
export const pagingVaultUrl = vaults["paging-vault"];

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

/** Everything that an asynchronous iterable gives. */
export async function collected(iterable) {
  const all = [];
  for await (const one of iterable) all.push(one);
  return all;
}
