import { setTimeout as pause } from 'node:timers/promises';
import { LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';

/** How long one try may take, ms, how often it is tried, and how long after the first failure, ms: longer each time. */
const urlMs = 10_000;
const mostTries = 3;
const firstPauseMs = 1_000;

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** Where a URL leads, and a name and password in it as the header that they belong into: `fetch` refuses and shows them. */
function withoutLogin(text: string): { readonly url: URL; readonly headers: Readonly<Record<string, string>> } {
  if (!URL.canParse(text)) throw new LoomsError('usage', 'it is no URL');
  const url = new URL(text);
  const user = `${decoded(url.username)}:${decoded(url.password)}`;
  url.username = '';
  url.password = '';
  return { url, headers: user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` } };
}

/**
 * A POST of JSON, in 10 s and three tries: again where nobody answered, or the server said that the fault is its own. No
 * redirect is followed. Throws why nobody took it: `source-unreachable`, or `usage` for what is no URL.
 */
export async function postJson(
  target: string,
  { body, headers: more }: { readonly body: string; readonly headers?: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<void> {
  const { url, headers: login } = withoutLogin(target);
  const headers = { 'content-type': 'application/json', ...more, ...login };
  for (let tries = 1; ; tries += 1) {
    const bound = AbortSignal.any([signal, AbortSignal.timeout(urlMs)]);
    const asked = fetch(url, { method: 'POST', body, headers, redirect: 'error', signal: bound });
    const end = await asked.catch((error: unknown) => ({ error }));
    if (!('error' in end)) {
      // The body of an answer is of no use, and so is an error of its connection: the status has come.
      await end.body?.cancel().catch(() => {});
      if (end.ok) return;
    }
    const isLast = signal.aborted || tries === mostTries;
    if ('error' in end && isLast) throw told(end.error);
    if (!('error' in end) && (isLast || end.status < 500))
      throw new LoomsError('source-unreachable', `it answered ${end.status}`);
    await pause(firstPauseMs * 2 ** (tries - 1), undefined, { signal });
  }
}

/** Why nobody answered: `fetch` says it in the cause alone. */
function told(error: unknown): LoomsError {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return new LoomsError('source-unreachable', `${messageOf(error)}${cause}`, { cause: error });
}
