// Data factories, as @azure/arm-datafactory sees them: factories, what is in them, their network, their runtimes and their runs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { DataFactoryManagementClient } from "@azure/arm-datafactory";

import { keep } from "./secrecy.js";
import { as, collected, credential, stranger, tenant, vaultUrl } from "./tenant.js";

const SUBSCRIPTION = "6b9e7c1a-0000-4000-8000-000000000002";
const GROUP = "keyhaven";
const FACTORY = "js-factory";
const IDENTITIES = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`;
const IDENTITY = `${IDENTITIES}/operator`;
const WINDOW = { lastUpdatedAfter: new Date("2000-01-01T00:00:00Z"), lastUpdatedBefore: new Date("2100-01-01T00:00:00Z") };
const RUN_TIMEOUT_MS = 10_000;

const endpoint = `https://arm.localhost:${new URL(vaultUrl).port}`;
const client = new DataFactoryManagementClient(credential, SUBSCRIPTION, { endpoint });
const place = [GROUP, FACTORY];
const reference = (referenceName, type) => ({ referenceName, type });
const names = async (listed) => (await collected(listed)).map(({ name }) => name);
const notFound = { statusCode: 404 };
const both = { type: "SystemAssigned,UserAssigned", userAssignedIdentities: { [IDENTITY]: {} } };
let made;

/** `value`, which from now on no log and no audit may hold. */
function secret(value) {
  keep(process.env.SECRETS_USED, [Buffer.from(value)]);
  return value;
}

before(async () => {
  made = await client.factories.createOrUpdate(...place, { location: "westeurope", identity: both, tags: { a: "b" } });
});

after(() => client.factories.delete(...place));

describe("factories", () => {
  test("one is made and read", async () => {
    assert.deepEqual([made.name, made.type, made.location], [FACTORY, "Microsoft.DataFactory/factories", "westeurope"]);
    assert.deepEqual([made.identity.type, made.identity.tenantId], [both.type, tenant]);
    const read = await client.factories.get(...place);
    assert.deepEqual([read.id, read.identity, read.createTime], [made.id, made.identity, made.createTime]);
    assert.deepEqual([read.provisioningState, read.version, read.tags], ["Succeeded", "2018-06-01", { a: "b" }]);
    assert.ok(read.createTime instanceof Date);
  });

  test("one is changed", async () => {
    const changed = await client.factories.update(...place, { tags: { c: "d" }, publicNetworkAccess: "Disabled" });
    assert.deepEqual([changed.tags, changed.publicNetworkAccess], [{ c: "d" }, "Disabled"]);
    assert.deepEqual(changed.identity, made.identity);
    assert.equal((await client.factories.update(...place, { publicNetworkAccess: "Enabled" })).publicNetworkAccess, "Enabled");
  });

  test("those of a group and of the subscription are listed, until they are deleted", async () => {
    await client.factories.createOrUpdate(GROUP, "js-other", { location: "local" });
    assert.deepEqual((await names(client.factories.listByResourceGroup(GROUP))).toSorted(), [FACTORY, "js-other"]);
    assert.deepEqual((await names(client.factories.list())).toSorted(), [FACTORY, "js-other"]);
    await client.factories.delete(GROUP, "js-other");
    assert.deepEqual(await names(client.factories.listByResourceGroup(GROUP)), [FACTORY]);
    await assert.rejects(client.factories.get(GROUP, "js-other"), { statusCode: 404, code: "ResourceNotFound" });
  });

  test("without a role none is seen", async () => {
    const other = new DataFactoryManagementClient(as(stranger), SUBSCRIPTION, { endpoint });
    await assert.rejects(other.factories.get(...place), { statusCode: 403, code: "AuthorizationFailed" });
  });
});

describe("credentials of linked services are taken and shown as a reference", () => {
  const hush = secret("hush-of-a-connector");
  const password = { type: "SecureString", value: hush };
  const mask = { type: "SecureString", value: "**********" };
  const rest = { type: "RestService", url: "https://a", authenticationType: "Basic", userName: "u" };
  const CONNECTORS = [
    [
      { type: "SqlServer", connectionString: `Server=S;User ID=U;Password=${hush};Timeout=60` },
      { type: "SqlServer", connectionString: "Server=S;User ID=U;Timeout=60" },
    ],
    [
      { type: "AzureBlobStorage", connectionString: `AccountName=a;AccountKey=${hush}==;X=1` },
      { type: "AzureBlobStorage", connectionString: "AccountName=a;X=1" },
    ],
    [{ ...rest, password }, { ...rest, password: mask }],
    [{ type: "AzureBlobFS", url: "https://a", accountKey: hush }, { type: "AzureBlobFS", url: "https://a" }],
    [
      { type: "AzureFunction", functionAppUrl: "https://a", functionKey: password },
      { type: "AzureFunction", functionAppUrl: "https://a", functionKey: mask },
    ],
  ];

  for (const [given, expected] of CONNECTORS) {
    test(given.type, async () => {
      const [services, name] = [client.linkedServices, `brings-${given.type}`];
      const answer = await services.createOrUpdate(...place, name, { properties: given });
      const { properties, etag } = await services.get(...place, name);
      assert.deepEqual([answer.name, answer.etag, answer.properties], [name, etag, properties]);
      const { encryptedCredential, ...own } = properties;
      assert.deepEqual(own, expected);
      assert.ok(Buffer.from(encryptedCredential, "base64").toString().startsWith('{\r\n  "Version": "2017-11-30",\r\n'));
      const again = { ...properties, description: "changed" };
      assert.deepEqual((await services.createOrUpdate(...place, name, { properties: again })).properties, again);
      await services.delete(...place, name);
      await assert.rejects(services.get(...place, name), notFound);
    });
  }
});

describe("what is in a factory", () => {
  const vault = { type: "AzureKeyVault", baseUrl: "https://factory-vault.vault.azure.net/" };
  const json = { type: "Json", linkedServiceName: reference("x", "LinkedServiceReference") };
  const flow = { type: "MappingDataFlow", sources: [{ name: "s", dataset: reference("x", "DatasetReference") }] };
  const wait = { name: "w", type: "Wait", waitTimeInSeconds: 1 };
  const pipelines = [{ pipelineReference: reference("x", "PipelineReference") }];
  const trigger = { type: "ScheduleTrigger", recurrence: { frequency: "Day", interval: 1 }, pipelines };
  // Each refers to one before it. A pipeline is the only one whose properties are its own members.
  const KINDS = {
    linkedServices: [{ properties: vault }, ({ properties }) => [properties.type, properties.baseUrl], [vault.type, vault.baseUrl]],
    datasets: [{ properties: json }, ({ properties }) => [properties.type, properties.linkedServiceName], Object.values(json)],
    dataFlows: [{ properties: flow }, ({ properties }) => [properties.type, properties.sources], Object.values(flow)],
    pipelines: [{ activities: [wait] }, ({ activities }) => activities.map((one) => [one.type, one.waitTimeInSeconds]), [["Wait", 1]]],
    triggers: [
      { properties: trigger },
      ({ properties }) => [properties.type, properties.runtimeState, properties.recurrence.frequency],
      ["ScheduleTrigger", "Stopped", "Day"],
    ],
    credentialOperations: [
      { properties: { type: "ManagedIdentity", resourceId: IDENTITY } },
      ({ properties }) => [properties.type, properties.resourceId],
      ["ManagedIdentity", IDENTITY],
    ],
  };

  test("is made, read and listed", async () => {
    for (const [kind, [given, shown, expected]] of Object.entries(KINDS)) {
      const answer = await client[kind].createOrUpdate(...place, "x", given);
      const read = await client[kind].get(...place, "x");
      assert.deepEqual([answer.name, answer.etag, shown(answer)], ["x", read.etag, expected], kind);
      assert.deepEqual([read.name, read.id, shown(read)], ["x", answer.id, expected], kind);
      assert.deepEqual(await names(client[kind].listByFactory(...place)), ["x"], kind);
    }
  });

  test("is kept while something refers to it", async () => {
    const message = "The document cannot be deleted since it is referenced by x.";
    await assert.rejects(client.linkedServices.delete(...place, "x"), { statusCode: 400, message });
    const lost = { ...json, linkedServiceName: reference("none", "LinkedServiceReference") };
    const refused = client.datasets.createOrUpdate(...place, "y", { properties: lost });
    await assert.rejects(refused, { statusCode: 400, message: /failed because of invalid reference 'none'\./ });
  });

  test("is guarded by an etag", async () => {
    const { etag } = await client.pipelines.get(...place, "x");
    const [given] = KINDS.pipelines;
    const changed = await client.pipelines.createOrUpdate(...place, "x", { ...given, description: "new" }, { ifMatch: etag });
    assert.equal(changed.description, "new");
    const late = client.pipelines.createOrUpdate(...place, "x", given, { ifMatch: etag });
    await assert.rejects(late, { statusCode: 412 });
  });

  test("is deleted", async () => {
    for (const kind of Object.keys(KINDS).toReversed()) {
      await client[kind].delete(...place, "x");
      await assert.rejects(client[kind].get(...place, "x"), notFound, kind);
      assert.deepEqual(await names(client[kind].listByFactory(...place)), [], kind);
    }
  });
});

describe("the network of a factory", () => {
  const network = [...place, "default"];

  test("private endpoints of it are approved, rejected and deleted", async () => {
    const resources = await client.privateLinkResources.get(...place);
    assert.deepEqual(resources.value.map(({ properties }) => properties.groupId), ["dataFactory", "portal"]);
    const [connections, privateEndpoint] = [client.privateEndpointConnection, { id: "/subscriptions/5/pe" }];
    const state = (status) => ({ privateLinkServiceConnectionState: { status, description: "ours" } });
    const approved = { properties: { privateEndpoint, ...state("Approved") } };
    const { properties } = await connections.createOrUpdate(...place, "pe", approved);
    assert.deepEqual([properties.privateLinkServiceConnectionState.status, properties.provisioningState], ["Approved", "Succeeded"]);
    await connections.createOrUpdate(...place, "pe", { properties: state("Rejected") });
    const listed = await collected(client.privateEndPointConnections.listByFactory(...place));
    const shown = listed.map((one) => [one.name, one.properties.privateLinkServiceConnectionState.status]);
    assert.deepEqual(shown, [["pe", "Rejected"]]);
    assert.equal((await connections.get(...place, "pe")).properties.privateEndpoint.id, privateEndpoint.id);
    await connections.delete(...place, "pe");
    await assert.rejects(connections.get(...place, "pe"), notFound);
  });

  test("its managed virtual network has private endpoints, which wait for the other side", async () => {
    const [networks, endpoints] = [client.managedVirtualNetworks, client.managedPrivateEndpoints];
    assert.deepEqual(await names(networks.listByFactory(...place)), []);
    const { properties } = await networks.createOrUpdate(...network, { properties: {} });
    assert.match(properties.vNetId, /^[0-9a-f-]{36}$/);
    assert.equal((await networks.get(...network)).properties.vNetId, properties.vNetId);
    assert.deepEqual(await names(networks.listByFactory(...place)), ["default"]);

    const privateLinkResourceId = "/subscriptions/5/resourceGroups/g/providers/Microsoft.KeyVault/vaults/safe";
    const given = { properties: { privateLinkResourceId, groupId: "vault", fqdns: [] } };
    const answer = await endpoints.createOrUpdate(...network, "to-vault", given);
    const read = await endpoints.get(...network, "to-vault");
    for (const one of [answer.properties, read.properties]) {
      const shown = [one.connectionState.status, one.provisioningState, one.groupId, one.privateLinkResourceId];
      assert.deepEqual(shown, ["Pending", "Succeeded", "vault", privateLinkResourceId]);
    }
    assert.deepEqual(await names(endpoints.listByFactory(...network)), ["to-vault"]);
    await endpoints.delete(...network, "to-vault");
    assert.deepEqual(await names(endpoints.listByFactory(...network)), []);
  });
});

describe("a self-hosted integration runtime", () => {
  const [runtimes, nodes, runtime] = [client.integrationRuntimes, client.integrationRuntimeNodes, [...place, "own-runtime"]];
  const keysOf = ({ authKey1, authKey2 }) => [secret(authKey1), secret(authKey2)];

  test("is made, read and listed", async () => {
    const properties = { type: "SelfHosted", description: "ours" };
    const answer = await runtimes.createOrUpdate(...runtime, { properties });
    const read = await runtimes.get(...runtime);
    for (const { name, properties: own } of [answer, read]) {
      assert.deepEqual([name, own.type, own.description], ["own-runtime", "SelfHosted", "ours"]);
    }
    assert.equal(read.etag, answer.etag);
    assert.deepEqual(await names(runtimes.listByFactory(...place)), ["own-runtime"]);
  });

  test("has a status, which an update changes", async () => {
    const { name, properties } = await runtimes.getStatus(...runtime);
    assert.deepEqual([name, properties.dataFactoryName], ["own-runtime", FACTORY]);
    const { type, state, autoUpdate, nodes: connected } = properties;
    assert.deepEqual([type, state, autoUpdate, connected], ["SelfHosted", "NeedRegistration", "On", []]);
    assert.ok(properties.createTime instanceof Date);
    const changed = await runtimes.update(...runtime, { autoUpdate: "Off", updateDelayOffset: "PT3H" });
    assert.deepEqual([changed.name, changed.properties.description], ["own-runtime", "ours"]);
    const { properties: updated } = await runtimes.getStatus(...runtime);
    assert.deepEqual([updated.autoUpdate, updated.updateDelayOffset], ["Off", "PT3H"]);
  });

  test("has two auth keys, and each is made anew by itself", async () => {
    const service = `ServiceEndpoint=${FACTORY}\\.westeurope\\.datafactory\\.azure\\.net`;
    const form = new RegExp(`^IR@[0-9a-f-]{36}@${FACTORY}@${service}@[^@]+$`);
    const first = keysOf(await runtimes.listAuthKeys(...runtime));
    for (const key of first) assert.match(key, form);
    assert.notEqual(...first);
    const second = keysOf(await runtimes.regenerateAuthKey(...runtime, { keyName: "authKey1" }));
    assert.deepEqual(second.map((key, number) => key === first[number]), [false, true]);
    assert.deepEqual(keysOf(await runtimes.listAuthKeys(...runtime)), second);
  });

  test("without a node it has no data of nodes, and what needs one is refused", async () => {
    const { name, nodes: monitored } = await runtimes.getMonitoringData(...runtime);
    assert.deepEqual([name, monitored], ["own-runtime", []]);
    const message = "The integration runtime 'own-runtime' has no node that is online.";
    const offline = { statusCode: 400, code: "BadRequest", message };
    await assert.rejects(runtimes.syncCredentials(...runtime), offline);
    await assert.rejects(runtimes.getConnectionInfo(...runtime), offline);
    const unknown = { statusCode: 404, code: "NotFound", message: "The integration runtime has no node 'js-node'." };
    await assert.rejects(nodes.get(...runtime, "js-node"), unknown);
    await assert.rejects(nodes.update(...runtime, "js-node", { concurrentJobsLimit: 2 }), unknown);
    await assert.rejects(nodes.getIpAddress(...runtime, "js-node"), unknown);
    const link = { name: "linked", subscriptionId: SUBSCRIPTION, dataFactoryName: FACTORY, dataFactoryLocation: "westeurope" };
    const linked = runtimes.createLinkedIntegrationRuntime(...runtime, link);
    await assert.rejects(linked, { statusCode: 400, code: "UnsupportedVersionForSharableIR" });
  });

  test("is deleted", async () => {
    await runtimes.delete(...runtime);
    await assert.rejects(runtimes.get(...runtime), notFound);
    assert.deepEqual(await names(runtimes.listByFactory(...place)), []);
  });
});

describe("runs of a pipeline", () => {
  const pipeline = {
    activities: [{ name: "w", type: "Wait", waitTimeInSeconds: { type: "Expression", value: "@pipeline().parameters.seconds" } }],
    parameters: { seconds: { type: "int", defaultValue: 0 } },
  };

  before(() => client.pipelines.createOrUpdate(...place, "p", pipeline));
  after(() => client.pipelines.delete(...place, "p"));

  /** The run `id` when its status is none of `passing`. */
  async function past(passing, id) {
    const deadline = Date.now() + RUN_TIMEOUT_MS;
    for (;;) {
      const run = await client.pipelineRuns.get(...place, id);
      if (!passing.includes(run.status) || Date.now() > deadline) return run;
      await sleep(50);
    }
  }

  test("one ends, and what came of it is shown", async () => {
    const { runId } = await client.pipelines.createRun(...place, "p");
    const run = await past(["Queued", "InProgress"], runId);
    assert.deepEqual([run.runId, run.pipelineName, run.status, run.message], [runId, "p", "Succeeded", ""]);
    assert.ok(run.runStart <= run.runEnd && run.durationInMs >= 0);
    const filters = [{ operand: "PipelineName", operator: "Equals", values: ["p"] }];
    const { value: runs } = await client.pipelineRuns.queryByFactory(...place, { ...WINDOW, filters });
    assert.deepEqual(runs.map((one) => [one.runId, one.status]), [[runId, "Succeeded"]]);
    const { value: activities } = await client.activityRuns.queryByPipelineRun(...place, runId, WINDOW);
    const shown = activities.map((one) => [one.activityName, one.activityType, one.status, one.pipelineRunId]);
    assert.deepEqual(shown, [["w", "Wait", "Succeeded", runId]]);
  });

  test("one that waits is cancelled", async () => {
    const { runId } = await client.pipelines.createRun(...place, "p", { parameters: { seconds: 3600 } });
    await client.pipelineRuns.cancel(...place, runId);
    const run = await past(["Queued", "InProgress", "Canceling"], runId);
    assert.equal(run.status, "Cancelled");
  });

  test("the parameters of one are shown as texts, as their type is", async () => {
    const { runId } = await client.pipelines.createRun(...place, "p");
    const [{ parameters: read }, { value: runs }] = [
      await past(["Queued", "InProgress"], runId),
      await client.pipelineRuns.queryByFactory(...place, WINDOW),
    ];
    for (const shown of [read, runs.find((one) => one.runId === runId).parameters]) assert.deepEqual(shown, { seconds: "0" });
  });
});
