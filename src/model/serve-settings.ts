import type { SecretRef } from './desired.ts';

/** What the user of a gateway is called, who comes by its socket: no client may be called so. */
export const ownName = 'local';

/** A token of a client that a file names; the token itself is a secret. */
export type NamedToken = {
  readonly name: string;
  readonly secret: SecretRef;
  readonly allow: readonly string[];
  /** The last day on which it holds (UTC). */
  readonly expires?: string;
};

/** An issuer of access tokens (OAuth 2, OpenID Connect). */
export type OidcSettings = {
  readonly issuer: string;
  readonly audience: string;
  readonly groupsClaim: string;
  /** What each of its tokens may use, beside what its `scope` says. */
  readonly allow: readonly string[];
};

/** A rule for calls, in CEL, with where it stands. */
export type CallRule = {
  readonly effect: 'deny' | 'allow';
  readonly expression: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
};

/** What one principal may take. */
export type ServeLimits = {
  readonly callsPerMinute?: number;
  readonly inFlight?: number;
  readonly bodyMiB?: number;
};

/** What happens to secrets in arguments and results. */
export type ScanMode = 'off' | 'mask' | 'deny';

/** How tools are called where all servers are one. */
export type JoinedNames = { readonly separator: string; readonly maxName: number };

/** Clients put some of their own before a name, and take 64 characters in all. */
export const usualNames: JoinedNames = { separator: '__', maxName: 45 };

/** `serve` of a `looms.yaml`. */
export type ServeSettings = {
  readonly listen?: string;
  /** Absolute. */
  readonly tokenFile?: string;
  readonly publicUrl?: string;
  readonly aggregate: JoinedNames;
  readonly sessions: { readonly idleSeconds?: number; readonly max?: number; readonly maxPerPrincipal?: number };
  readonly tokens: readonly NamedToken[];
  readonly oidc?: OidcSettings;
  readonly policy: readonly CallRule[];
  readonly limits: ServeLimits;
  readonly scan: ScanMode;
  /** Where spans are sent to, as OTLP over HTTP, where the environment does not say. */
  readonly telemetry?: { readonly endpoint: string };
};

/** Those of a project without the block. */
export const usualServe: ServeSettings = {
  aggregate: usualNames,
  sessions: {},
  tokens: [],
  policy: [],
  limits: {},
  scan: 'off',
};

/** What a rule for calls is told. */
export type CallFacts = {
  readonly principal: { readonly name: string; readonly groups: readonly string[] };
  readonly server: string;
  readonly tool: { readonly name: string; readonly annotations: Readonly<Record<string, unknown>> };
  readonly arguments: Readonly<Record<string, unknown>>;
};

/** Why a call is refused, by which rule, and where that stands (`looms.yaml:12`). */
export type RuleRefusal = { readonly rule: string; readonly from: string; readonly why: string };

/** Holds calls against rules. */
export type Judge = {
  /** Whether a rule looks at what a server says of its tools. */
  readonly needsAnnotations: boolean;
  readonly refusal: (facts: CallFacts) => RuleRefusal | undefined;
};
