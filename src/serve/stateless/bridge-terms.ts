import { canonicalJson } from '../../model/values/canonical-json.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { metaOf, paramsOf, resultText, withResult } from '../messages/message.ts';
import { envelopeKeys, type Fields, type Id, isList, type Message, modernRevision } from '../messages/protocol.ts';

// What is said in 2026-07-28, in the terms of the revisions with sessions, and back.

/** Methods whose calls may come back for input; what a server asks meanwhile is asked on one of these. */
export const mayAsk: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);
/** What only the older revisions have. */
export const older: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);
/** From what tells most to what tells least. */
export const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** What a request asks for, whichever round of it this is. */
export function askedFor(message: Message): string {
  const { name, uri, arguments: args } = paramsOf(message);
  return canonicalJson([message.method, name, uri, args]);
}

/** The older revisions know who asks by their session: some of their servers refuse what says it once more. */
export function legacyParams(message: Message, token: string): Fields {
  const { _meta: _, inputResponses: __, ...params } = paramsOf(message);
  const envelope: ReadonlySet<string> = new Set(Object.values(envelopeKeys));
  const own = Object.entries(metaOf(message)).filter(([key]) => !envelope.has(key));
  const meta = own.map(([key, value]) => [key, key === 'progressToken' ? token : value]);
  return meta.length === 0 ? params : { ...params, _meta: Object.fromEntries(meta) };
}

/** What is asked of a client that is sent the question with the call that it belongs to. */
export const withoutId = ({ elicitationId: _, ...params }: Fields): Fields => params;

/** The text of an answer with what the revision wants in it. */
export const modernResult = (method: string, text: string): string =>
  withResult(text, (result) => ({
    resultType: 'complete',
    ...(isList(method) || method === 'resources/read' ? { ttlMs: 0, cacheScope: 'private' } : {}),
    ...result,
  }));

/** The answer to `server/discover`, of what a server said of itself when its session began. */
export function discovered(id: Id, { capabilities, serverInfo, instructions }: Fields): string {
  return resultText(id, {
    resultType: 'complete',
    supportedVersions: [modernRevision],
    capabilities: isRecord(capabilities) ? withoutTasks(capabilities) : {},
    ...(instructions === undefined ? {} : { instructions }),
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [envelopeKeys.serverInfo]: serverInfo },
  });
}

const withoutTasks = ({ tasks: _, ...capabilities }: Fields): Fields => capabilities;

/** What of a subscription the server says that it can tell. */
export function honoured(wanted: Fields, can: Fields): { readonly lists: Fields; readonly uris: ReadonlySet<string> } {
  const offers = (key: string, what: string): boolean => isRecord(can[key]) && can[key][what] === true;
  const lists = ['tools', 'prompts', 'resources'].filter(
    (key) => wanted[`${key}ListChanged`] === true && offers(key, 'listChanged'),
  );
  const { resourceSubscriptions: named } = wanted;
  return {
    lists: Object.fromEntries(lists.map((key) => [`${key}ListChanged`, true])),
    uris: new Set(
      Array.isArray(named) && offers('resources', 'subscribe') ? named.filter((one) => typeof one === 'string') : [],
    ),
  };
}
