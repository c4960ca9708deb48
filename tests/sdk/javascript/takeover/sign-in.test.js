// Every way of signing in that the SDK for JavaScript has, and what follows from it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import {
  ClientCertificateCredential,
  ClientSecretCredential,
  DefaultAzureCredential,
  EnvironmentCredential,
  ManagedIdentityCredential,
  WorkloadIdentityCredential,
} from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";

import {
  application, certificate, environment, federatedToken, identity, nobody, ownClientId, revoke, sources, tenant, useTheVault,
  vaultUrl,
} from "./production.js";

const scope = "https://vault.azure.net/.default";
const home = mkdtempSync(join(tmpdir(), "keyhaven-"));
after(() => rmSync(home, { recursive: true }));

let count = 0;
/** A name for the objects of one use of the vault. */
const name = () => `production-${++count}`;

for (const source of ["app service", "imds"]) {
  test(`DefaultAzureCredential, ${source}`, async () => {
    environment(await sources[source]());
    await useTheVault(new DefaultAzureCredential(), name());
  });
}

for (const source of Object.keys(sources)) {
  test(`the system-assigned identity, ${source}`, async () => {
    environment(await sources[source]());
    await useTheVault(new ManagedIdentityCredential(), name());
  });
}

for (const source of ["app service", "imds", "arc"]) {
  for (const kind of ["clientId", "objectId", "resourceId"]) {
    test(`a user-assigned identity by its ${kind}, ${source}`, async () => {
      environment(await sources[source]());
      await useTheVault(new ManagedIdentityCredential({ [kind]: identity("default")[kind] }), name());
    });
  }

  test(`an identity without permission is refused, ${source}`, async () => {
    environment(await sources[source]());
    const credential = new ManagedIdentityCredential({ clientId: nobody });
    const refusal = { statusCode: 403, code: "Forbidden" };
    await assert.rejects(new KeyClient(vaultUrl, credential).getKey("any"), refusal);
    await assert.rejects(new SecretClient(vaultUrl, credential).setSecret("any", "value"), refusal);
  });
}

test("a client secret, with the id of a tenant", async () => {
  environment({});
  await useTheVault(new ClientSecretCredential(tenant, randomUUID(), "what production has"), name());
});

test("a client secret, through the credentials that read the environment", async () => {
  environment({ AZURE_CLIENT_ID: randomUUID(), AZURE_CLIENT_SECRET: "what production has" });
  await useTheVault(new EnvironmentCredential(), name());
  await useTheVault(new DefaultAzureCredential(), name());
});

test("a wrong secret is refused", async () => {
  environment({});
  const clientId = await application("with-a-secret", "its own");
  const guess = new ClientSecretCredential(tenant, clientId, "a guess");
  await assert.rejects(guess.getToken(scope), { name: "AuthenticationRequiredError", message: /7000215/ });
  assert.equal((await new ClientSecretCredential(tenant, clientId, "its own").getToken(scope)).token.split(".").length, 3);
});

test("the identity of the environment takes any secret", async () => {
  environment({});
  await useTheVault(new ClientSecretCredential(tenant, ownClientId, "what production has"), name());
});

/** Each way in of an application, once it is known. */
const ways = {
  "a client secret": (clientId) => new ClientSecretCredential(tenant, clientId, "what production has"),
  "a certificate": (clientId) => new ClientCertificateCredential(tenant, clientId, { certificate: certificate() }),
  "workload identity": (clientId) => {
    const tokenFilePath = join(home, clientId);
    federatedToken(`made-on-the-spot-${clientId}`, tokenFilePath);
    return new WorkloadIdentityCredential({ tenantId: tenant, clientId, tokenFilePath });
  },
};

for (const [way, credentialOf] of Object.entries(ways)) {
  test(`a client with ${way} goes on by itself after its session was revoked`, async () => {
    environment({});
    const clientId = randomUUID();
    await ways["a client secret"](clientId).getToken(scope);
    const [client, secret] = [new SecretClient(vaultUrl, credentialOf(clientId)), name()];
    await client.setSecret(secret, "one");
    for (const value of ["two", "three"]) {
      revoke(`made-on-the-spot-${clientId}`);
      assert.equal((await client.setSecret(secret, value)).value, value);
      assert.equal((await client.getSecret(secret)).value, value);
    }
  });
}

test("a managed identity's client does not: its credential keeps the claims to itself", async () => {
  environment(await sources["app service"]());
  const clientId = randomUUID();
  const client = new SecretClient(vaultUrl, new ManagedIdentityCredential({ clientId }));
  const secret = name();
  await client.setSecret(secret, "one");
  revoke(`made-on-the-spot-${clientId}`);
  await assert.rejects(client.getSecret(secret), { statusCode: 401, message: /was revoked/ });
});

test("workload identity", async () => {
  const tokenFilePath = join(home, "token");
  federatedToken("default", tokenFilePath);
  const { clientId } = identity("default");
  environment({});
  await useTheVault(new WorkloadIdentityCredential({ tenantId: tenant, clientId, tokenFilePath }), name());
  environment({ AZURE_CLIENT_ID: clientId, AZURE_FEDERATED_TOKEN_FILE: tokenFilePath });
  await useTheVault(new DefaultAzureCredential(), name());
  federatedToken("nobody", tokenFilePath);
  const configured = await application("with-another-secret", "its own");
  const other = new WorkloadIdentityCredential({ tenantId: tenant, clientId: configured, tokenFilePath });
  await assert.rejects(other.getToken(scope), { name: "AuthenticationRequiredError", message: /700213/ });
});
