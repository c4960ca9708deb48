/** A vault for one test. */
export interface Vault {
  /** Its name. */
  name: string;
  /** `https://NAME.vault.azure.net`. */
  url: string;
  /** Takes it away with all that it holds. */
  delete(): Promise<void>;
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
/** A vault for one test: a copy of the default one. */
export function createVault(): Promise<Vault>;
/** Runs `use` with the URL of a vault of its own, which is gone afterwards. */
export function withVault<T>(use: (url: string) => Promise<T>): Promise<T>;
/** One request to the admin API. */
export function admin(method: string, path: string, body?: unknown): Promise<any>;
