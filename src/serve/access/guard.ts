import { LoomsError } from '../../model/errors.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { type Judge, ownName } from '../../model/serve-settings.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { sha256 } from '../../model/values/sha256.ts';
import type { Leg } from '../leg/leg.ts';
import { ownTerms } from '../messages/envelope.ts';
import { paramsOf, withResult } from '../messages/message.ts';
import { ownPages } from '../messages/pages.ts';
import { isList, type Message } from '../messages/protocol.ts';
import type { Upstreams } from '../upstreams.ts';
import type { Scan } from './scan.ts';
import { holds, isRoundabout, listedFor, reaches, type Scopes, setText, wantedBy } from './scopes.ts';

/** Who speaks, and what was granted to them. */
export type Grant = {
  /** Where the name comes from: names are of one kind each. */
  readonly kind: 'local' | 'token' | 'oidc';
  /** In the audit trail and in rules. */
  readonly name: string;
  readonly groups: readonly string[];
  readonly scopes: Scopes;
  /** Whether it still holds: a token can be revoked, and ends. */
  readonly isValid: () => boolean;
  /** When it ends in any case, ms since the epoch. */
  readonly endsAt: number;
};

/** Whoever has the socket, or standard input and output: its owner. */
export const ownGrant: Grant = {
  kind: 'local',
  name: ownName,
  groups: [],
  scopes: 'all',
  isValid: () => true,
  endsAt: Number.POSITIVE_INFINITY,
};

/** What one principal may do, held against each of its requests. */
export type Guard = {
  readonly name: string;
  /** Whose sessions are whose: the principal, and what was granted to it. */
  readonly key: string;
  readonly reaches: (server: string) => boolean;
  /** Whether it may see what the gateway counts: names of all servers and tools are in there. */
  readonly seesMetrics: boolean;
  /** Throws `insufficient-scope`, or `refused` by a rule of `looms.yaml` or for a secret; else the request to send. */
  readonly admit: <M extends Message>(leg: Leg, message: M) => Promise<M>;
  /** An answer of a server, as it may be seen. */
  readonly shown: (server: string, message: Message, text: string) => string;
} & Pick<Grant, 'isValid' | 'endsAt'>;

/** What holds for all principals of a gateway, looked at with each request. */
export type Guarding = { readonly judge?: Judge | undefined; readonly scan?: Scan | undefined };

type Annotations = Readonly<Record<string, unknown>>;
/** What a tool is that says nothing of it (MCP, `ToolAnnotations`). */
const usual: Annotations = { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true };

export type Guards = (grant: Grant) => Guard;

/** Makes the guards of a gateway; what servers say of their tools is asked once a container, where a rule looks at it. */
export function createGuards(guarding: Guarding): Guards {
  const known = new Map<
    ServerName,
    { readonly container: ContainerId; readonly tools: Promise<Map<string, Annotations>> }
  >();
  const annotationsOf = async (leg: Leg, tool: string, from: Message): Promise<Annotations> => {
    if (guarding.judge?.needsAnnotations !== true) return usual;
    const { container } = await leg.ready();
    const before = known.get(leg.server);
    const found = before?.container === container ? before : { container, tools: toolsOf(leg, from) };
    known.set(leg.server, found);
    try {
      return { ...usual, ...(await found.tools).get(tool) };
    } catch (error) {
      known.delete(leg.server);
      throw error;
    }
  };
  return ({ kind, name, groups, scopes, isValid, endsAt }) => {
    const refuseScope = (server: string, wanted: readonly string[]): LoomsError =>
      new LoomsError(
        'insufficient-scope',
        `${name} may not use ${wanted.map((one) => `${server}:${one}`).join(', ')}`,
        {
          detail: wanted.map((one) => `${server}:${one}`),
          hint: 'ask whoever gave you this token for these scopes',
        },
      );
    return {
      name,
      key: keyOf({ kind, name, groups, scopes }),
      reaches: (server) => reaches(scopes, server),
      seesMetrics: holds(scopes, 'looms', 'metrics'),
      async admit(leg, message) {
        const { server } = leg;
        const named = wantedBy(message);
        if (named === undefined && message.method === 'tools/call') {
          throw new LoomsError('refused', 'tools/call does not name one tool and its arguments');
        }
        // What else names nothing, or two things, is the server's to refuse: only who may use all of it may ask.
        const wanted = named ?? ['*'];
        if (scopes !== 'all' && wanted.some(isRoundabout)) {
          throw new LoomsError('refused', `${message.method} names what it wants by . or ..`, {
            hint: 'write the path without them',
          });
        }
        if (!reaches(scopes, server) || !wanted.every((one) => holds(scopes, server, one))) {
          throw refuseScope(server, wanted.length === 0 ? ['*'] : wanted);
        }
        const { judge, scan } = guarding;
        if (judge !== undefined && message.method === 'tools/call') {
          const { arguments: args } = paramsOf(message);
          const tool = wanted[0] ?? '';
          const refusal = judge.refusal({
            principal: { name, groups },
            server,
            tool: { name: tool, annotations: await annotationsOf(leg, tool, message) },
            arguments: isRecord(args) ? args : {},
          });
          if (refusal !== undefined) {
            throw new LoomsError('refused', `${server}:${tool} is refused: ${refusal.why}`, {
              detail: [`${refusal.from}: ${refusal.rule}`, `${server}:${tool}`],
              hint: `the rule is in ${refusal.from}: ${refusal.rule}`,
            });
          }
        }
        return scan === undefined ? message : scan.request(message);
      },
      shown(server, message, text) {
        const { scan } = guarding;
        const seen =
          scopes === 'all' || !isList(message.method)
            ? text
            : withResult(text, (result) => listedFor(scopes, server, message.method, result));
        return scan === undefined ? seen : scan.answer(seen);
      },
      isValid,
      endsAt,
    };
  };
}

/** One that lets everything through. */
export const openGuard: Guard = createGuards({})(ownGrant);

function keyOf({ kind, name, groups, scopes }: Omit<Grant, 'isValid' | 'endsAt'>): string {
  const granted = `[${setText(groups)},${setText(scopes)}]`;
  return kind === 'local' ? kind : `${kind}:${name}:${sha256(granted).slice(0, 16)}`;
}

/** The name in a guard's key. */
export const nameIn = (key: string): string => key.replace(/^(?:token|oidc):/, '').replace(/:[0-9a-f]{16}$/, '');

/** Only the servers that somebody reaches. */
export const within = (upstreams: Upstreams, guard: Guard): Upstreams => ({
  ...upstreams,
  servers: async () => (await upstreams.servers()).filter(guard.reaches),
});

async function toolsOf(leg: Leg, from: Message): Promise<Map<string, Annotations>> {
  const found = new Map<string, Annotations>();
  for await (const { message } of ownPages(leg, 'tools/list', ownTerms(from, 'tools/list'))) {
    if (!isRecord(message.result)) throw new LoomsError('refused', `${leg.server} does not say what its tools are`);
    const { tools } = message.result;
    for (const tool of Array.isArray(tools) ? tools.filter(isRecord) : []) {
      if (typeof tool.name === 'string') found.set(tool.name, isRecord(tool.annotations) ? tool.annotations : {});
    }
  }
  return found;
}
