/** How looms proves to Vault who it is. What is secret about it is never in `looms.yaml`: files and variables name it. */
export type VaultAuth =
  /** `VAULT_TOKEN`, else the file; `~/.vault-token` when none is named. */
  | { readonly method: 'token'; readonly tokenFile?: string }
  /** The secret id: the file, else `VAULT_SECRET_ID`. */
  | { readonly method: 'approle'; readonly mount: string; readonly roleId: string; readonly secretIdFile?: string }
  /** The token of the pod's service account, from the file. */
  | { readonly method: 'kubernetes'; readonly mount: string; readonly role: string; readonly tokenFile: string };

/** A KV store, version 2, of HashiCorp Vault or OpenBao. */
export type VaultStore = {
  readonly type: 'vault';
  /** Without a slash at its end. */
  readonly address: string;
  readonly namespace?: string;
  readonly mount: string;
  /** Of one entry whose keys are the secrets; with `{name}` in it, of one entry a secret, whose key is `field`. */
  readonly path: string;
  readonly field: string;
  readonly auth: VaultAuth;
};

/** Stores that are asked through the command line of their own program. */
export type ProgramStore =
  | { readonly type: '1password'; readonly vault: string; readonly field: string; readonly account?: string }
  | {
      readonly type: 'aws-secrets-manager' | 'aws-ssm';
      readonly prefix: string;
      readonly region?: string;
      readonly profile?: string;
    }
  | { readonly type: 'gcp-secret-manager'; readonly prefix: string; readonly project?: string }
  | { readonly type: 'azure-key-vault'; readonly vault: string };

/** A source of secrets (`looms.yaml: secrets.providers`); paths are absolute. */
export type SecretProviderConfig =
  /** Those that are asked anyway; one that is named has its place in the list. */
  | { readonly type: 'environment' | 'keyring' | 'file' }
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'command'; readonly argv: readonly string[] }
  | ProgramStore
  | VaultStore;
