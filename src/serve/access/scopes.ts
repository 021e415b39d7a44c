import { isRecord } from '../../model/values/is-record.ts';
import { halvesOf, isMeant } from '../../model/values/scopes.ts';
import { paramsOf } from '../messages/message.ts';
import { type Fields, isList, lists, type Message, naming } from '../messages/protocol.ts';

/** What somebody may use: scopes `server:name`, or everything. */
export type Scopes = 'all' | readonly string[];

/** Scopes or groups as text, the same in whichever order they are given: neither issuers nor files promise one. */
export const setText = (all: Scopes): string => JSON.stringify(all === 'all' ? all : [...new Set(all)].sort());

/** Whether scopes hold anything of a server. */
export const reaches = (scopes: Scopes, server: string): boolean =>
  scopes === 'all' || scopes.some((scope) => isMeant(halvesOf(scope)[0], server));

/** Whether scopes hold a tool or prompt of a server by its name, or a resource by its URI. */
export const holds = (scopes: Scopes, server: string, name: string): boolean =>
  scopes === 'all' ||
  scopes.some((scope) => {
    const [ofServer, ofName] = halvesOf(scope);
    return isMeant(ofServer, server) && isMeant(ofName, name);
  });

/** Whether a name leads elsewhere than it reads, by `.` or `..` between slashes, however these are written. */
export function isRoundabout(name: string): boolean {
  let plain = name;
  // Coded twice, it is decoded by a server and by what the server asks.
  for (let turn = 0; turn < 3; turn += 1) {
    plain = plain.replace(/%(25|2e|2f|5c)/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  }
  return plain.split(/[/\\]/).some((part) => /^\.{1,2}(?:[?#]|$)/.test(part));
}

/** Requests that name nothing: their answers are filtered, or tell nothing of what a server can do. */
const open: ReadonlySet<string | undefined> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'logging/setLevel',
  ...Object.keys(lists),
]);

/**
 * What a request wants of a server, as the second half of a scope; `*` where that is not known, so that only who may do
 * everything there may ask. Undefined for a name that is none, or given twice: a server might read the other one.
 */
export function wantedBy(message: Message): readonly string[] | undefined {
  const { method = '' } = message;
  const params = paramsOf(message);
  if (open.has(method)) return [];
  if (method === 'subscriptions/listen') {
    const { resourceSubscriptions: uris } = isRecord(params.notifications) ? params.notifications : {};
    if (uris === undefined) return [];
    return Array.isArray(uris) && uris.every((uri) => typeof uri === 'string') ? uris : undefined;
  }
  // A server whose JSON library does not mind case might take the other one.
  const isSecond = (name: string): boolean => /^(arguments|ref)$/i.test(name) && !/^(arguments|ref)$/.test(name);
  if (Object.keys(params).some(isSecond)) return undefined;
  if (method === 'tools/call' && params.arguments !== undefined && !isRecord(params.arguments)) return undefined;
  const key = naming[method];
  const [holder, names] =
    method === 'completion/complete' && isRecord(params.ref) ? [params.ref, ['name', 'uri']] : [params, [key]];
  if (key === undefined && holder === params) return ['*'];
  const given = Object.entries(holder).filter(([name]) => names.includes(name.toLowerCase()));
  const [only] = given;
  return given.length === 1 && only !== undefined && names.includes(only[0]) && typeof only[1] === 'string'
    ? [only[1]]
    : undefined;
}

/** The result of a list without what scopes do not hold; that of another request as it is. */
export function listedFor(scopes: Scopes, server: string, method: string | undefined, result: Fields): Fields {
  if (!isList(method)) return result;
  const { key, named } = lists[method];
  const items = result[key];
  if (!Array.isArray(items)) return result;
  return {
    ...result,
    [key]: items.filter((item) => isRecord(item) && holds(scopes, server, String(item[named]))),
    ...(result.cacheScope === undefined ? {} : { cacheScope: 'private' }),
  };
}
