import type { IncomingMessage, ServerResponse } from 'node:http';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import type { PageCall } from '../../model/page/deeds.ts';
import type { PageError, PageRoutes } from '../../model/page/routes.ts';
import type { PageTool } from '../../model/page/server.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { type Grant, ownGrant } from '../access/guard.ts';
import type { createLoads, Limits } from '../access/limits.ts';
import { holds, reaches } from '../access/scopes.ts';
import { pagesOf } from '../messages/pages.ts';
import type { Fields, Message } from '../messages/protocol.ts';
import { sendJson } from '../messages/reply.ts';
import type { Ask } from './ask.ts';
import { hasRight } from './rights.ts';
import type { PageSource } from './source.ts';
import { readObject, requireRight, serverIn, statusOfCode } from './terms.ts';

/** Longest body of everything but a call, bytes. */
const smallBody = 16 * 1024;
/** How long all pages of a list of tools may take, ms: a person waits for them. */
const listMs = 30_000;
/** How long they may take where they only say how arguments are checked, ms: a call goes without that then. */
const checkListMs = 3_000;
/** Records of the trail that are told: where nothing is said, and at most. */
const usualRecords = 100;
const mostRecords = 500;

/** What requests of the page stand on. */
export type RequestParts = {
  readonly source: PageSource;
  readonly ask: Ask;
  readonly limits: Limits;
  /** Sessions of clients with a server, by whose they are. */
  readonly sessionsOf: (server: ServerName) => readonly { readonly principal: string; readonly count: number }[];
  readonly loadOf: ReturnType<typeof createLoads>;
  /** Longest body of a call, bytes. */
  readonly mostBody: () => number;
};

/** A call as it was read: which tool of which server, and what was answered to the questions of one that goes on. */
type CheckedCall = {
  readonly server: ServerName;
  readonly tool: string;
  readonly args: Fields;
  readonly given: PageCall['answers'];
};

/** Aborts when whoever waits for a response has left. */
function leftOf(response: ServerResponse): AbortSignal {
  const left = new AbortController();
  if (response.closed) left.abort();
  response.once('close', () => left.abort());
  return left.signal;
}

/** What the page asks for and does; each throws what a person is told of it. */
export function createRequests({ source, ask, limits, sessionsOf, loadOf, mostBody }: RequestParts) {
  const answer = (response: ServerResponse, status: number, value: unknown): void =>
    sendJson(response, status, source.mask(JSON.stringify(value)));

  /**
   * Tools of a server behind its filter, as whoever sees the page may see them, whether or not they may be called. Throws
   * `call-timeout`, and what following its pages throws.
   */
  const toolsOf = async (
    left: AbortSignal,
    grant: Grant,
    server: ServerName,
    { limitMs, whoCounts }: { readonly limitMs: number; readonly whoCounts: string | null },
  ): Promise<PageRoutes['GET /page/servers/NAME']['answers']['tools']> => {
    const list: PageTool[] = [];
    const method = 'tools/list';
    const pages = pagesOf({ server, method, limitMs }, async (params, leftMs) => {
      const late = AbortSignal.timeout(Math.ceil(leftMs));
      const tooLate = (): LoomsError => new LoomsError('call-timeout', `${server} did not answer ${method} in time`);
      // A server that is just being reached goes on with that although nobody waits: the bound holds without its answer.
      const lateness = new Promise<never>((_, reject) =>
        late.addEventListener('abort', () => reject(tooLate()), { once: true }),
      );
      const asked = ask(ownGrant, server, { method, params }, AbortSignal.any([left, late]), whoCounts);
      const answer = await Promise.race([asked, lateness]);
      if (late.aborted) throw tooLate();
      return answer;
    });
    for await (const { message } of pages) {
      if (!isRecord(message.result)) return { kind: 'unknown', why: failureIn(message).message };
      const { tools } = message.result;
      for (const tool of Array.isArray(tools) ? tools.filter(isRecord) : []) {
        const { name, title, description, inputSchema, annotations } = tool;
        if (typeof name !== 'string') continue;
        const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
        list.push({
          name,
          title: text(title),
          description: text(description),
          inputSchema: inputSchema ?? null,
          annotations: isRecord(annotations) ? annotations : null,
          callable: holds(grant.scopes, server, name),
        });
      }
    }
    return { kind: 'known', list };
  };

  /** What is wrong with the arguments of a call; whether it may be made at all is told by the call itself. */
  const problemsOf = async (
    left: AbortSignal,
    grant: Grant,
    server: ServerName,
    { tool, args }: { readonly tool: string; readonly args: Fields },
  ): Promise<Readonly<Record<string, string>> | undefined> => {
    if (!holds(grant.scopes, server, tool)) return undefined;
    const bound = { limitMs: checkListMs, whoCounts: null };
    const tools = await toolsOf(left, grant, server, bound).catch((error: unknown) => {
      if (!(error instanceof LoomsError)) throw error;
      return undefined;
    });
    if (tools?.kind !== 'known') return undefined;
    const schema = tools.list.find(({ name }) => name === tool)?.inputSchema;
    return isRecord(schema) ? source.checkArguments(schema, args, left) : undefined;
  };

  const detail = async (response: ServerResponse, grant: Grant, name: string): Promise<void> => {
    const server = serverIn(name);
    requireRight(grant, 'page', server);
    const found = await source.detail(server);
    const tools =
      found.container === null
        ? ({ kind: 'unknown', why: 'it is not there' } as const)
        : await toolsOf(leftOf(response), grant, server, { limitMs: listMs, whoCounts: grant.name }).catch(
            (error: unknown) => {
              if (!(error instanceof LoomsError)) throw error;
              return { kind: 'unknown', why: error.message } as const;
            },
          );
    const sessions = hasRight(grant, 'audit', server) ? sessionsOf(server) : [];
    answer(response, 200, { ...found, tools, sessions } satisfies PageRoutes['GET /page/servers/NAME']['answers']);
  };

  const call = async (request: IncomingMessage, response: ServerResponse, grant: Grant): Promise<void> => {
    const {
      server,
      tool,
      arguments: args,
      answers,
    } = (await readObject(request, mostBody(), loadOf(grant.name, response))) as Partial<PageCall>;
    const asked = serverIn(server);
    if (typeof tool !== 'string' || !isRecord(args))
      throw new LoomsError('usage', 'a call has a tool and its arguments');
    const given = answers === undefined ? undefined : answersIn(answers);
    // Before a process is opened for it, and before anything tells whether there is such a server.
    if (!reaches(grant.scopes, asked)) throw new LoomsError('insufficient-scope', `this needs ${asked}:${tool}`);
    const taken = limits.take(grant.name, true);
    if (!taken.taken) {
      response.setHeader('retry-after', String(taken.retryAfterSeconds));
      return answer(response, 429, { error: { code: 'json-rpc-error', message: taken.why } } satisfies PageError);
    }
    try {
      await checkAndCall(response, grant, { server: asked, tool, args, given });
    } finally {
      taken.done();
    }
  };

  /** Makes a call whose arguments fit; it is counted on the limits of its principal already. */
  const checkAndCall = async (
    response: ServerResponse,
    grant: Grant,
    { server: asked, tool, args, given }: CheckedCall,
  ): Promise<void> => {
    const left = leftOf(response);
    const fields = given === undefined ? await problemsOf(left, grant, asked, { tool, args }) : undefined;
    if (fields !== undefined) {
      const error = { code: 'arguments-invalid', message: `the arguments do not fit ${tool}`, fields };
      return answer(response, statusOfCode(error.code), { error } satisfies PageError);
    }
    const since = performance.now();
    const params = { name: tool, arguments: args, ...given };
    const { status, message } = await ask(grant, asked, { method: 'tools/call', params }, left, null);
    const milliseconds = Math.round(performance.now() - since);
    if (isRecord(message.result)) return answer(response, 200, { result: message.result, milliseconds });
    const failure = failureIn(message);
    if (status === 429) response.setHeader('retry-after', '1');
    answer(response, status === 429 ? 429 : statusOfCode(failure.code), { error: failure });
  };

  const act = async (request: IncomingMessage, response: ServerResponse, grant: Grant): Promise<void> => {
    const { deed, server, repeat } = await readObject(request, smallBody, loadOf(grant.name, response));
    const asked = serverIn(server);
    if (deed !== 'start' && deed !== 'stop' && deed !== 'restart')
      throw new LoomsError('usage', 'deed is start, stop or restart');
    requireRight(grant, 'operate', asked);
    if (repeat === undefined ? deed === 'stop' : repeat !== asked) {
      throw new LoomsError('not-confirmed', `to stop ${asked}, repeat its name`);
    }
    answer(response, 200, await source.act({ deed, server: asked }, grant.name));
  };

  const approve = async (request: IncomingMessage, response: ServerResponse, grant: Grant): Promise<void> => {
    const { digest } = await readObject(request, smallBody, loadOf(grant.name, response));
    if (typeof digest !== 'string') throw new LoomsError('usage', 'digest says which plan is meant');
    requireRight(grant, 'page');
    requireRight(grant, 'operate');
    answer(response, 200, await source.approve(digest, grant.name));
  };

  /** The trail of these servers; undefined: of all. */
  const audit = async (
    response: ServerResponse,
    servers: readonly ServerName[] | undefined,
    query: URLSearchParams,
  ): Promise<void> => {
    const given = query.get('limit');
    if (given !== null && !/^\d{1,6}$/.test(given))
      throw new LoomsError('usage', `limit=${given} is no number of records`);
    const limit = given === null ? usualRecords : Math.min(Number(given), mostRecords);
    answer(response, 200, await source.audit(servers, limit));
  };

  return { detail, call, act, approve, audit };
}

/** What somebody answered to questions of a server. Throws `usage` for what is none. */
function answersIn(answers: unknown): NonNullable<PageCall['answers']> {
  const { inputResponses, requestState } = isRecord(answers) ? answers : {};
  if (!isRecord(inputResponses) || (requestState !== undefined && typeof requestState !== 'string'))
    throw new LoomsError('usage', 'answers are inputResponses and the requestState that came with the questions');
  return { inputResponses, ...(requestState === undefined ? {} : { requestState }) };
}

/** What an answer of a server, or of the gateway for it, says of its failure. */
function failureIn({ error }: Message): { readonly code: string; readonly message: string; readonly hint?: string } {
  const { message, data } = isRecord(error) ? error : {};
  const { code, hint } = isRecord(data) ? data : {};
  return {
    code: typeof code === 'string' ? code : 'json-rpc-error',
    message: typeof message === 'string' ? message : 'the server answered with an error',
    ...(typeof hint === 'string' ? { hint } : {}),
  };
}
