// Clients of HTTP that ask a proxy for an `https://` URL in absolute form instead of by CONNECT: axios up to 1.13, and with it
// adal-node and the first releases of msal-node. Newer ones make a tunnel; the program is the same.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import adal from "adal-node";
import axios021 from "axios-0.21";
import axios027 from "axios-0.27";
import axios17 from "axios-1.7";
import axios112 from "axios-1.12";
import axios121 from "axios-1.21";
import msal from "msal-node-1.0";

import { tenant, vaultUrl } from "./production.js";

const resource = "https://vault.azure.net";
const params = { "api-version": "7.4" };
const application = { clientId: randomUUID(), clientSecret: "what production has" };
const authority = `https://login.microsoftonline.com/${tenant}`;

/** A token of `application`, by a request of `axios`. */
async function token(axios) {
  const { clientId: client_id, clientSecret: client_secret } = application;
  const form = { grant_type: "client_credentials", client_id, client_secret, scope: `${resource}/.default` };
  const answer = await axios.post(`${authority}/oauth2/v2.0/token`, new URLSearchParams(form));
  return answer.data.access_token;
}

/** A secret is set, read and listed; a secret that is not there, a wrong token and a host that must not be reached are refused. */
async function useSecrets(axios, accessToken, name) {
  const headers = { authorization: `Bearer ${accessToken}` };
  const set = await axios.put(`${vaultUrl}/secrets/${name}`, { value: "größer" }, { headers, params });
  assert.ok(set.data.id.startsWith(`${vaultUrl}/secrets/${name}/`), set.data.id);
  assert.equal((await axios.get(`${vaultUrl}/secrets/${name}`, { headers, params })).data.value, "größer");
  const { value } = (await axios.get(`${vaultUrl}/secrets`, { headers, params })).data;
  assert.ok(value.some(({ id }) => id === `${vaultUrl}/secrets/${name}`));

  const status = async (url, options) => (await axios.get(url, { ...options, validateStatus: () => true })).status;
  assert.equal(await status(`${vaultUrl}/secrets/absent-${name}`, { headers, params }), 404);
  assert.equal(await status(`${vaultUrl}/secrets/${name}`, { headers: { authorization: "Bearer wrong" }, params }), 401);
  await assert.rejects(axios.get("https://acme.blob.core.windows.net/", { headers }), refused);
  await assert.rejects(axios.get("https://example.com/"), refused);
}

/** By the proxy, with 403; a client that made a tunnel may have no answer to show. */
const refused = (error) => {
  assert.ok(error.response === undefined || error.response.status === 403, String(error));
  return true;
};

const versions = { "0.21.4": axios021, "0.27.2": axios027, "1.7.9": axios17, "1.12.2": axios112, "1.21.1": axios121 };
for (const [version, axios] of Object.entries(versions)) {
  test(`axios ${version} signs in and uses secrets`, async () => {
    const name = `axios-${version.replaceAll(".", "-")}`;
    await useSecrets(axios, await token(axios), name);
  });

  test(`axios ${version} gets a token of the metadata service`, async () => {
    const url = "http://169.254.169.254/metadata/identity/oauth2/token";
    const query = { "api-version": "2018-02-01", resource };
    const { data } = await axios.get(url, { headers: { Metadata: "true" }, params: query });
    await useSecrets(axios, data.access_token, `metadata-${version.replaceAll(".", "-")}`);
  });
}

test("adal-node signs in", async () => {
  const context = new adal.AuthenticationContext(authority);
  const { clientId, clientSecret } = application;
  const { accessToken } = await new Promise((resolve, reject) =>
    context.acquireTokenWithClientCredentials(resource, clientId, clientSecret, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  );
  await useSecrets(axios021, accessToken, "adal-node");
});

test("msal-node 1.0 signs in", async () => {
  const client = new msal.ConfidentialClientApplication({ auth: { ...application, authority } });
  const { accessToken } = await client.acquireTokenByClientCredential({ scopes: [`${resource}/.default`] });
  await useSecrets(axios021, accessToken, "msal-node");
});
