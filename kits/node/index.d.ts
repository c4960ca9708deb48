/** A vault for one test. */
export interface Vault {
  /** Its name. */
  name: string;
  /** `https://NAME.vault.azure.net`. */
  url: string;
  /** Deletes it with all that it holds. */
  delete(): Promise<void>;
}

/** What a vault holds besides what the default one holds. */
export interface VaultOptions {
  /** Secrets, by name; a secret of the default vault gets this value as a new version. */
  secrets?: Record<string, string>;
}

/** The clock that vaults live by. Moments are RFC 3339; each answer is the new moment. */
export const clock: {
  now(): Promise<string>;
  /** Moves on by an ISO 8601 period such as `P90D`; what falls due is done when this resolves. */
  advance(period: string): Promise<string>;
  set(moment: string): Promise<string>;
  freeze(): Promise<string>;
  run(): Promise<string>;
};

/** The vault that the others are copies of: what it holds, a test's vault holds. */
export function defaultVaultUrl(): string;
/**
 * A vault for one test: a copy of the default one. Until it is deleted, `VAULT_URL` and `KEY_VAULT_NAME` of this process
 * name it.
 */
export function createVault(options?: VaultOptions): Promise<Vault>;
/** Runs `use` with the URL of a vault of its own, which is gone afterwards. */
export function withVault<T>(use: (url: string) => T | Promise<T>): Promise<T>;
export function withVault<T>(options: VaultOptions, use: (url: string) => T | Promise<T>): Promise<T>;
/** One request to the admin API. */
export function admin(method: string, path: string, body?: unknown): Promise<any>;
