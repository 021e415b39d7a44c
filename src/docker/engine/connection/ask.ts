import { LoomsError } from '../../../model/errors.ts';
import { type Bound, call } from './call.ts';
import type { Connection } from './connection.ts';
import { type RawRequest, requestBytes, requestJson } from './request.ts';

/** A request of the Engine API, without version and signal. */
export type ApiRequest = Omit<RawRequest, 'signal'>;

/** The path of a request in the API version that was agreed on. */
export const versioned = ({ engine }: Connection, path: string): string => `/v${engine.apiVersion}${path}`;

/**
 * One bounded call to the engine, answered in JSON (undefined when it answers nothing). `what` names it for people;
 * `Answer` is what the API documents, which is not checked. Throws as `call` does.
 */
export const ask = <Answer = unknown>(
  connection: Connection,
  what: string,
  request: ApiRequest,
  bound: Bound,
): Promise<Answer> =>
  call(what, bound, async (signal) => {
    const path = versioned(connection, request.path);
    return (await requestJson(connection.target, { ...request, path, signal })) as Answer;
  });

/** As `ask`, answered in bytes. */
export const askBytes = (connection: Connection, what: string, request: ApiRequest, bound: Bound): Promise<Buffer> =>
  call(what, bound, (signal) =>
    requestBytes(connection.target, { ...request, path: versioned(connection, request.path), signal }),
  );

/** Whether a call was given up because its answer had more than `mostBytes`. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof LoomsError && (error.cause as { readonly code?: unknown } | undefined)?.code === 'EMSGSIZE';
