import {
  ProtocolError,
  ProtocolErrorCode,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  SseError,
} from '@modelcontextprotocol/client';
import { type ErrorCode, LoomsError, withHint } from '../../model/errors.ts';
import { duration } from '../../model/times.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import { isHangUp, type Lack, type LinkEnding } from '../link/link.ts';
import { noRoom } from '../link/no-room.ts';
import { maxDepth, unusableAnswer } from './answers/unusable-answers.ts';

/** Lines of a server's log that an error shows. */
const shownLines = 10;

/** What is known about a server when something went wrong with it. */
export type Circumstances = {
  readonly server: string;
  readonly phase:
    | 'handshake'
    /** The method of a list; bounded as the handshake is. */
    | { readonly list: string }
    | { readonly tool: string }
    /** Any other request, as it is named in messages; bounded as a tool's call is. */
    | { readonly request: string };
  /** Bound that applied, ms. */
  readonly limitMs: number;
  /** Whether the caller gave up. */
  readonly interrupted: boolean;
  /** Sessions that its container had beside this one, when its server began or when it ended in the handshake. */
  readonly others?: number;
  /** Whether the kernel refused a process or a thread in its container meanwhile. */
  readonly refused?: boolean;
  /** What became of the connection, when that is known better than the SDK knows it. */
  readonly ending?: LinkEnding;
  /** Lines on stdout that were no JSON-RPC. */
  readonly stray: readonly string[];
  /** End of the server's log. */
  readonly log: readonly string[];
};

/**
 * What an error of the SDK or of a transport means for the user, with loom's hints for the same causes. Decides by
 * codes and by what is known of the process; by text only where a shell says that it could start no process, for which it
 * has no code of its own. A call whose way broke off is said to have run perhaps: nobody sends it again unasked.
 */
export function explain(error: unknown, about: Circumstances): LoomsError {
  const found = causeOf(error, about);
  const isCall = typeof about.phase === 'object' && 'tool' in about.phase;
  const brokeOff = found.code === 'server-exited' || about.ending?.kind === 'failed' || isHangUp(error);
  if (!isCall || !brokeOff || about.interrupted) return found;
  const hints = [found.hint, 'the call may have run, and looms does not repeat it'];
  return withHint(found, hints.filter((hint) => hint !== undefined).join('; '));
}

function causeOf(error: unknown, about: Circumstances): LoomsError {
  const log = tellingLines(about.log, shownLines);
  const make = (code: ErrorCode, message: string, hint?: string, detail: readonly string[] = log) =>
    new LoomsError(code, message, { hint, detail, cause: error });

  if (about.interrupted) return make('interrupted', `stopped talking to ${about.server}`, undefined, []);
  const unusable = error instanceof ProtocolError ? unusableAnswer(error.data) : undefined;
  if (unusable !== undefined) {
    const hint = `a fault of the server: its answers hold an object as their result, at most ${maxDepth} levels deep`;
    return make('session-failed', `${about.server} answered ${doing(about)} with ${unusable}`, hint, []);
  }
  if (error instanceof ProtocolError) {
    const [first = '', ...rest] = error.message.split('\n');
    const message = `${about.server} answered ${doing(about)} with JSON-RPC error ${error.code}: ${first}`;
    return new LoomsError('json-rpc-error', message, {
      hint: protocolHint(error.code),
      detail: [...rest, ...dataLines(error.data)],
      cause: error,
      about: {
        kind: 'json-rpc',
        answer: { code: error.code, ...(error.data === undefined ? {} : { data: error.data }) },
      },
    });
  }
  if (error instanceof SdkError && error.code === SdkErrorCode.CapabilityNotSupported) {
    const asked = isRecord(error.data) && typeof error.data.method === 'string' ? error.data.method : 'something';
    return make(
      'input-refused',
      `${about.server} asked for ${asked} to go on with ${doing(about)}, which looms does not give it`,
      asked === 'elicitation/create' ? answerHint : 'use a tool that needs no model and no folders of its client',
      [],
    );
  }
  if (error instanceof SdkError && error.code === SdkErrorCode.InputRequiredRoundsExceeded) {
    return make('input-refused', `${about.server} asks again and again during ${doing(about)}`, answerHint, []);
  }
  if (about.ending?.kind === 'failed')
    return withHint(about.ending.error, about.ending.error.hint, [...about.ending.error.detail, ...log]);
  const lack = lackOf(about);
  if (lack !== undefined) return noRoom(lack, about.server, error);
  if (about.ending?.kind === 'exited') {
    const { code } = about.ending;
    const { message, hint } = lacksProcesses(about) ? noProcesses : exitMeaning(code, about.server);
    const how = code === null ? 'ended' : `exited with code ${code}`;
    return make('server-exited', `${about.server} ${how} during ${doing(about)}${message}`, hint, [
      ...about.stray,
      ...log,
    ]);
  }
  if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout) return timedOut({ ...about, log }, make);
  if (error instanceof LoomsError) return error;
  const http = httpStatusOf(error);
  if (http !== undefined) {
    return make(
      'session-failed',
      `${about.server} answered ${doing(about)} with HTTP status ${http.status}`,
      http.status === 404 || http.status === 405
        ? 'Check mcp_server.path and mcp_server.transport (streamable-http or sse).'
        : `\`looms mcp logs ${about.server}\` may say more`,
      [...http.body, ...log],
    );
  }
  if (error instanceof SdkError && error.code === SdkErrorCode.EraNegotiationFailed) {
    return make(
      'session-failed',
      `${about.server} does not speak the wanted protocol: ${error.message}`,
      'Set mcp_server.protocol to legacy or auto, or give --protocol.',
    );
  }
  if (isHangUp(error)) {
    return make(
      'session-failed',
      `${about.server}: the connection ended before ${doing(about)} was answered`,
      'the server closed it or is overloaded, its log may say more',
    );
  }
  return make('session-failed', `${about.server}: ${doing(about)} failed: ${messageOf(error)}`);
}

/** Where a server wants to ask and nobody is there to answer. */
const answerHint = 'it asks a question: run the call on a terminal, or answer with --answer KEY=VALUE';

/** What to do about errors that are about this side of the conversation. */
function protocolHint(code: number): string | undefined {
  switch (code) {
    case ProtocolErrorCode.UrlElicitationRequired:
      return 'looms opens no pages: open the one it names in a browser, then call again';
    case ProtocolErrorCode.MissingRequiredClientCapability:
      return answerHint;
    default:
      return undefined;
  }
}

function timedOut(
  about: Circumstances,
  make: (code: ErrorCode, message: string, hint?: string, detail?: readonly string[]) => LoomsError,
): LoomsError {
  const limit = duration(about.limitMs);
  if (typeof about.phase === 'object' && !('list' in about.phase)) {
    return make(
      'call-timeout',
      `${about.server} did not answer ${doing(about)} within ${limit}`,
      'Raise docker_backend.resource_limits.execution_timeout_seconds.',
      [],
    );
  }
  if (about.stray.length > 0) {
    return make(
      'handshake-timeout',
      `${about.server} did not answer ${doing(about)} within ${limit}; what it printed is no MCP message`,
      'A stdio server may print nothing but MCP messages: check mcp_server.command, and mcp_server.transport if it serves HTTP.',
      [...about.stray, ...about.log],
    );
  }
  return make(
    'handshake-timeout',
    `${about.server} did not answer ${doing(about)} within ${limit}`,
    `raise mcp_server.timeout_seconds if it starts slowly; \`looms logs ${about.server}\` shows what it waits for, with --previous once its container is gone`,
  );
}

/** What a server lacked that was not begun, or that began beside others and could not start. */
function lackOf(about: Circumstances): Lack | undefined {
  const { ending, others = 0, refused, phase } = about;
  if (ending?.kind === 'no-room') return ending.lack;
  // It did not end, and will not begin any more.
  if (ending === undefined && phase === 'handshake' && refused === true) return { of: 'processes', open: others };
  if (ending?.kind !== 'exited' || others === 0) return undefined;
  if (lacksProcesses(about)) return { of: 'processes', open: others };
  return ending.code === killed ? { of: 'memory', open: others } : undefined;
}

const noProcesses = {
  message: ' (no more processes could be started)',
  hint: 'raise docker_backend.resource_limits.pids_limit, or have fewer sessions open at a time: each has its own processes',
};

/**
 * By what the kernel counts: a program that was refused a thread may say nothing (Node aborts, with 134). Else by EAGAIN of
 * fork, as dash says it, and as the C library does for bash, `timeout` and others. Not where its exit code says why it ended.
 */
function lacksProcesses({ ending, refused, log }: Circumstances): boolean {
  if (ending?.kind !== 'exited' || ending.code === 0) return false;
  const isExplained = ending.code !== null && [124, 126, 127, killed].includes(ending.code);
  if (refused === true && !isExplained) return true;
  return log.some((line) => /cannot fork|resource temporarily unavailable/i.test(line));
}

const killed = 137;

/** What the usual exit codes of a process that could not run mean. */
function exitMeaning(code: number | null, server: string): { message: string; hint: string } {
  switch (code) {
    case 126:
      return {
        message: ' (its command cannot be executed)',
        hint: 'check mcp_server.command and the permissions in the image',
      };
    case 127:
      return {
        message: ' (its command was not found in the image)',
        hint: 'check mcp_server.command, and that a package in preinstall_packages brings it',
      };
    case killed:
      return { message: ' (killed)', hint: 'it may need more memory: docker_backend.resource_limits.memory_mb' };
    case 124:
      return { message: ' (its time limit was reached)', hint: 'open a new session' };
    default:
      return {
        message: '',
        hint: `check mcp_server.command, args and env; \`looms logs ${server}\` has the whole log, with --previous once its container is gone`,
      };
  }
}

function doing(about: Circumstances): string {
  if (about.phase === 'handshake') return 'the handshake';
  if ('list' in about.phase) return about.phase.list;
  return 'tool' in about.phase ? `the call of ${about.phase.tool}` : about.phase.request;
}

function dataLines(value: unknown): readonly string[] {
  if (value === undefined) return [];
  return [typeof value === 'string' ? value : JSON.stringify(value)];
}

function httpStatusOf(error: unknown): { status: number; body: readonly string[] } | undefined {
  if (error instanceof SseError && error.code !== undefined) return { status: error.code, body: [] };
  if (!(error instanceof SdkHttpError)) return undefined;
  const { text } = error.data;
  return { status: error.status, body: typeof text === 'string' && text !== '' ? [text.slice(0, 500)] : [] };
}

/** The innermost message of an error: what fetch and the SDK wrap says more than their wrapping. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? messageOf(error.cause) : error.message;
}
