import { isRecord } from '../../src/model/values/is-record.ts';

/** Why the gateway did not do what it was asked for. */
export type Refusal = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** What is wrong with what was sent, by the name of its field. */
  readonly fields?: Readonly<Record<string, string>>;
};

export type Answer<T> =
  | { readonly done: true; readonly value: T }
  | { readonly done: false; readonly refusal: Refusal };

type Asking = { readonly signal?: AbortSignal; readonly outlives?: boolean };

/** The way to the gateway that sent this page. */
export type Gateway = {
  /**
   * Asks it for something. `key` is what it knows the session of this page by. With `outlives` the page may go before it is
   * answered, where the body has at most 64 KiB; a larger one is sent as far as the page stays.
   */
  readonly ask: <T>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    how?: Asking,
  ) => Promise<Answer<T>>;
  /** Opens a stream of events that goes on behind the one with the id `after`. Throws where the gateway is not reached. */
  readonly open: (path: string, after: string | undefined, signal: AbortSignal) => Promise<Response>;
};

/** What may be on its way at once in bodies of requests that outlive their page, bytes (Fetch standard, `keepalive`). */
const mostOutliving = 65_536;

/** `key` is asked for with each request; `signedOut` hears that the gateway does not know it any more. */
export function gatewayWith(key: () => string | undefined, signedOut: () => void): Gateway {
  const headers = (): Record<string, string> => {
    const known = key();
    return known === undefined ? {} : { authorization: `Bearer ${known}` };
  };
  const seen = (response: Response): Response => {
    if (response.status === 401 && key() !== undefined) signedOut();
    return response;
  };
  return {
    ask: async <T>(
      method: string,
      path: string,
      body?: unknown,
      { signal, outlives = false }: Asking = {},
    ): Promise<Answer<T>> => {
      try {
        const text = body === undefined ? undefined : JSON.stringify(body);
        // A browser refuses a larger body of a request that is to outlive its page.
        const isSmall = text === undefined || new TextEncoder().encode(text).length <= mostOutliving;
        const response = seen(
          await fetch(path, {
            method,
            headers: { ...headers(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
            ...(text === undefined ? {} : { body: text }),
            ...(signal === undefined ? {} : { signal }),
            keepalive: outlives && isSmall,
          }),
        );
        const said = await response.text();
        return response.ok
          ? { done: true, value: (said === '' ? undefined : JSON.parse(said)) as T }
          : { done: false, refusal: refusalOf(response.status, said) };
      } catch (error) {
        return { done: false, refusal: away(error) };
      }
    },
    open: async (path, after, signal) =>
      seen(
        await fetch(path, {
          headers: {
            ...headers(),
            accept: 'text/event-stream',
            ...(after === undefined ? {} : { 'last-event-id': after }),
          },
          signal,
          cache: 'no-store',
        }),
      ),
  };
}

const away = (error: unknown): Refusal => ({
  status: 0,
  code: 'gateway-away',
  message: 'the gateway does not answer',
  hint: error instanceof Error ? error.message : String(error),
});

/** What the gateway said in place of an answer: `{error: {code, message, hint}}`. */
export function refusalOf(status: number, text: string): Refusal {
  const error = errorIn(text);
  const { code, message, hint, fields } = error ?? {};
  return {
    status,
    code: typeof code === 'string' ? code : 'failed',
    message: typeof message === 'string' ? message : `the gateway answered with status ${status}`,
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(isRecord(fields)
      ? { fields: Object.fromEntries(Object.entries(fields).map(([name, problem]) => [name, String(problem)])) }
      : {}),
  };
}

function errorIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) && isRecord(value.error) ? value.error : undefined;
  } catch {
    return undefined;
  }
}
