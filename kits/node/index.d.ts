/** A vault for one test. */
export interface Vault {
  /** Its name. */
  name: string;
  /** `https://NAME.vault.azure.net`. */
  url: string;
  /** Makes requests of this vault go wrong, until it is deleted. Of several rules that fit, the first one acts. */
  addFault(rule: FaultRule): Promise<Fault>;
  /** Deletes it with all that it holds; a vault of a name is put back as it was before. */
  delete(): Promise<void>;
}

/** What a vault holds besides what the default one holds. */
export interface VaultOptions {
  /** Secrets, by name; a secret of the default vault gets this value as a new version. */
  secrets?: Record<string, string>;
  /**
   * The name of the vault, when the code under test has it. It is made anew: as it was when there was one before the first test,
   * else as a copy of the default one. Default: `vault` of `keyhaven` in package.json, else a new name.
   */
  name?: string;
}

/** Which requests go wrong, and how. */
export interface FaultRule {
  /** The operation, such as `SecretGet`; without one, all. */
  operation?: string;
  /** How often at most. */
  times?: number;
  /** The share of the requests, 0 to 1. */
  rate?: number;
  /** `delay` is an ISO 8601 period such as `PT0.5S`; `retryAfter` is in seconds. */
  then: { status: 429 | 500 | 503; retryAfter?: number } | { delay: string } | { cut: "before" | "after" } | { token: "expired" };
}

/** A rule that acts until it is removed. */
export interface Fault {
  /** How often it has acted. */
  hits(): Promise<number>;
  remove(): Promise<void>;
}

/** The clock that vaults live by. Each answer is the new moment. */
export const clock: {
  now(): Promise<Date>;
  /** Moves on by a period such as `P90D`, `90 days` or `2h 30m`; what falls due is done when this resolves. */
  advance(period: string): Promise<Date>;
  /** Moves on to a moment; text is as of RFC 3339. */
  set(moment: Date | string): Promise<Date>;
  freeze(): Promise<Date>;
  run(): Promise<Date>;
};

/** The vault that the others are copies of: what it holds, a test's vault holds. */
export function defaultVaultUrl(): string;
/**
 * A vault for one test: a copy of the default one. Until it is deleted, `VAULT_URL`, `AZURE_KEYVAULT_URL`, `KEYHAVEN_VAULT_URL` and
 * `KEY_VAULT_NAME` of this process name it.
 */
export function createVault(options?: VaultOptions): Promise<Vault>;
/** Runs `use` with the URL of a vault of its own, which is gone afterwards. */
export function withVault<T>(use: (url: string, vault: Vault) => T | Promise<T>): Promise<T>;
export function withVault<T>(options: VaultOptions, use: (url: string, vault: Vault) => T | Promise<T>): Promise<T>;
/** The client id of an identity: `new ManagedIdentityCredential({ clientId: await clientIdOf("reports") })`. */
export function clientIdOf(identity: string): Promise<string>;
/** One request to the admin API. */
export function admin(method: string, path: string, body?: unknown): Promise<any>;
