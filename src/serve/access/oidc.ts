import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { messageOf } from '../../model/failure.ts';
import type { OidcSettings } from '../../model/serve-settings.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { isScope } from '../../model/values/scopes.ts';
import type { Bearers } from './bearers.ts';

/** Signatures with a key pair alone: with a shared key, whoever may check a token could make one. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** How long the issuer may take, ms. */
const askMs = 5_000;
/** How often its keys are asked for again at most, ms: tokens of unknown keys must not make us a nuisance to it. */
const cooldownMs = 5_000;
/** How far clocks may differ, s. */
const clockSkewSeconds = 30;

/** The tokens of an issuer: signed by it, made out to us, of now. Throws nothing. */
export function createIssued(settings: OidcSettings, cooldown: number = cooldownMs): Bearers {
  const { issuer, audience, groupsClaim, allow } = settings;
  let keys: JWTVerifyGetKey | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<JWTVerifyGetKey> | undefined;
  const look = async (): Promise<JWTVerifyGetKey> => {
    const { createRemoteJWKSet } = await import('jose');
    const uri = await jwksUriOf(issuer);
    keys = createRemoteJWKSet(new URL(uri), { timeoutDuration: askMs, cooldownDuration: cooldown });
    return keys;
  };
  const keysOf = (): Promise<JWTVerifyGetKey> => {
    if (keys !== undefined) return Promise.resolve(keys);
    if (performance.now() - failedAt < cooldown) return Promise.reject(new Error('it did not answer a moment ago'));
    looking ??= look()
      .catch((error: unknown) => {
        failedAt = performance.now();
        throw error;
      })
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  return async (token) => {
    const { jwtVerify, errors } = await import('jose');
    // What is no token of any issuer is no reason to ask one.
    if (token.split('.').length !== 3) return { kind: 'unknown', why: 'the token is not known here' };
    let claims: JWTPayload;
    try {
      const verified = await jwtVerify(token, await keysOf(), {
        ...{ issuer, audience, algorithms, clockTolerance: clockSkewSeconds },
        requiredClaims: ['exp', 'sub'],
      });
      claims = verified.payload;
    } catch (error) {
      const isTheirs =
        error instanceof errors.JOSEError &&
        !(error instanceof errors.JWKSTimeout) &&
        !(error instanceof errors.JWKSInvalid) &&
        error.code !== 'ERR_JOSE_GENERIC';
      if (isTheirs) return { kind: 'unknown', why: `the token is not taken: ${messageOf(error)}` };
      return { kind: 'unavailable', why: `the keys of ${issuer} cannot be had: ${messageOf(error)}` };
    }
    const { sub = '', exp = 0, scope, [groupsClaim]: groups } = claims;
    const endsAt = (exp + clockSkewSeconds) * 1000;
    const inToken = typeof scope === 'string' ? scope.split(' ').filter(isScope) : [];
    return {
      kind: 'known',
      grant: {
        kind: 'oidc',
        name: `${sub}@${new URL(issuer).host}`,
        groups: Array.isArray(groups) ? groups.filter((one) => typeof one === 'string') : [],
        scopes: [...allow, ...inToken],
        isValid: () => endsAt > Date.now(),
        endsAt,
      },
    };
  };
}

/** Where an issuer's keys are, by its metadata (OpenID Connect Discovery 1.0; RFC 8414). Throws why no place tells. */
async function jwksUriOf(issuer: string): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places = [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
  const inVain: string[] = [];
  for (const place of places) {
    const found = await metadataAt(place).catch(messageOf);
    if (typeof found === 'string') inVain.push(`${place}: ${found}`);
    else if (found.issuer !== issuer) throw new Error(`${place} is of another issuer`);
    else if (typeof found.jwks_uri === 'string') return found.jwks_uri;
    else inVain.push(`${place}: it names no jwks_uri`);
  }
  throw new Error(inVain.join('; '));
}

/** The metadata at this place. Throws where something else is there, or nothing. */
async function metadataAt(place: string): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(place, { signal: AbortSignal.timeout(askMs), redirect: 'error' });
  const found: unknown = response.ok ? await response.json() : undefined;
  if (!isRecord(found)) throw new Error(`it answered ${response.status}`);
  return found;
}
