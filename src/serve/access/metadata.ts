import type { OidcSettings } from '../../model/serve-settings.ts';

/** What a resource server tells of itself (RFC 9728), and where. */
const wellKnown = '/.well-known/oauth-protected-resource';

/** The address of a gateway as its clients know it, without a slash at its end. */
export type Base = string;

export const metadataUrl = (base: Base, path: string): string => `${base}${wellKnown}${path}`;

/** The document at this path, or undefined where it is none of ours. */
export function metadataAt(path: string, base: Base, { issuer }: OidcSettings): string | undefined {
  const resource = path.startsWith(wellKnown) ? path.slice(wellKnown.length) : undefined;
  if (resource === undefined || !/^(?:\/mcp(?:\/[a-z0-9-]+)?)?$/.test(resource)) return undefined;
  return JSON.stringify({
    resource: `${base}${resource === '' ? '/mcp' : resource}`,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: [scopeOf(resource)],
  });
}

/** The scope that holds all of an address. */
export const scopeOf = (path: string): string => `${/^\/mcp\/(.+)$/.exec(path)?.[1] ?? '*'}:*`;
