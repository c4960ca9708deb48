// What a test with Jest looks like: npx keyhaven-test jest --testMatch '**/*.jest.cjs'

const { DefaultAzureCredential } = require("@azure/identity");
const { SecretClient } = require("@azure/keyvault-secrets");
const { clock, createVault, defaultVaultUrl } = require("keyhaven-test");

const credential = new DefaultAzureCredential();
let vault;
let secrets;

// Set once; every test's vault is a copy.
beforeAll(() => new SecretClient(defaultVaultUrl(), credential).setSecret("database", "orders"));
beforeEach(async () => {
  vault = await createVault();
  secrets = new SecretClient(vault.url, credential);
});
afterEach(() => vault.delete());

test.each(["one", "two"])("each test has a vault of its own (%s)", async (database) => {
  expect((await secrets.getSecret("database")).value).toBe("orders");
  await secrets.setSecret("database", database);
});

test("a deleted secret is gone when its retention is over", async () => {
  await (await secrets.beginDeleteSecret("database", { intervalInMs: 10 })).pollUntilDone();
  await clock.advance("P90D");
  await expect(secrets.getDeletedSecret("database")).rejects.toMatchObject({ statusCode: 404 });
});
