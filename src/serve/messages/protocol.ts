// The words of MCP that the gateway knows: what messages are made of, and what their methods mean.

export type Fields = Readonly<Record<string, unknown>>;
export type HeaderFields = Readonly<Record<string, string>>;
export type Id = string | number;

/** A JSON-RPC message of a client or server, as far as the gateway looks at it. */
export type Message = Fields & {
  readonly jsonrpc: '2.0';
  readonly id?: Id;
  readonly method?: string;
};
/** One that wants an answer. */
export type ClientRequest = Message & { readonly id: Id; readonly method: string };

/** JSON-RPC's own codes and those of MCP 2026-07-28; nothing here has one of its own. */
export const code = {
  parse: -32700,
  invalidRequest: -32600,
  unknownMethod: -32601,
  invalidParams: -32602,
  internal: -32603,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
} as const;

/** The first revision without sessions. */
export const modernRevision = '2026-07-28';

/** Those with sessions that all servers as one are spoken to in, newest first. */
export const sessionRevisions = ['2025-11-25', '2025-06-18', '2025-03-26'] as const;

/** What a request of that revision says of itself and of who asks, and where a result says who answers. */
export const envelopeKeys = {
  revision: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
} as const;
/** What a notification says of the subscription that it belongs to. */
export const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';

/** Lists by method: where their items stand, what names an item, who has them, and what tells that one has changed. */
export const lists = {
  'tools/list': { key: 'tools', named: 'name', capability: 'tools', changed: 'notifications/tools/list_changed' },
  'prompts/list': {
    key: 'prompts',
    named: 'name',
    capability: 'prompts',
    changed: 'notifications/prompts/list_changed',
  },
  'resources/list': {
    key: 'resources',
    named: 'uri',
    capability: 'resources',
    changed: 'notifications/resources/list_changed',
  },
  'resources/templates/list': {
    key: 'resourceTemplates',
    named: 'uriTemplate',
    capability: 'resources',
    changed: 'notifications/resources/list_changed',
  },
} as const;
/** What clients of all servers as one are told when one of these comes or goes: each list may be another one. */
export const serverChanges: readonly Message[] = [...new Set(Object.values(lists).map(({ changed }) => changed))].map(
  (method) => ({ jsonrpc: '2.0', method }),
);
export type ListMethod = keyof typeof lists;
export const isList = (method: string | undefined): method is ListMethod =>
  method !== undefined && Object.hasOwn(lists, method);

/** The parameter by which a request names what it wants. */
export const naming: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'resources/subscribe': 'uri',
  'resources/unsubscribe': 'uri',
};

/** What a server may ask a client for, with the capability of a client that says that it can be asked. */
export const questions: Readonly<Record<string, string>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
};

/** Which part of a subscription wants to hear that a list has changed; undefined for another notification. */
export function changeOf({ method = '' }: Message): string | undefined {
  const what = /^notifications\/(tools|prompts|resources)\/list_changed$/.exec(method)?.[1];
  return what === undefined ? undefined : `${what}ListChanged`;
}
