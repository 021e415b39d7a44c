import { Client, SdkHttpError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';

/** How long a client's first look at its servers may take, ms: a list waits 5 s for servers that are down. */
const limitMs = 30_000;
/** Lines of what a command said before it ended. */
const shownLines = 5;

type Tried =
  | {
      readonly kind: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'http'; readonly url: string; readonly headers: Readonly<Record<string, string>> };

/**
 * The names of the tools that a client finds which is told so of a server: its command is started as clients do, in this
 * folder and with the few variables that a program started by a desktop has, or its address is asked. Throws
 * `session-failed`.
 */
export async function tryEntry(
  tried: Tried,
  { folder, version }: { readonly folder: string; readonly version: string },
): Promise<readonly string[]> {
  const client = new Client({ name: 'looms', version }, { capabilities: {} });
  const said: string[] = [];
  const transport = transportOf(tried, folder, (text) => said.push(text));
  try {
    await client.connect(transport, { timeout: limitMs });
    const { tools } = await client.listTools(undefined, { timeout: limitMs });
    return tools.map(({ name }) => name);
  } catch (error) {
    const what = tried.kind === 'stdio' ? [tried.command, ...tried.args].join(' ') : tried.url;
    const detail = said
      .join('')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-shownLines);
    throw new LoomsError('session-failed', `a call made from the entry failed: ${what}: ${reasonOf(error)}`, {
      detail,
      cause: error,
    });
  } finally {
    // A session that is left open is kept for its client, and its process has room in the server's container.
    if (transport instanceof StreamableHTTPClientTransport) await transport.terminateSession().catch(() => {});
    await client.close().catch(() => {});
  }
}

/** Why it failed, in words: what a gateway answers with is JSON-RPC, of which a person is told the message. */
function reasonOf(error: unknown): string {
  if (!(error instanceof SdkHttpError)) return messageOf(error);
  const { text } = error.data;
  const answered = typeof text === 'string' ? parsedJson(text) : undefined;
  const said = isRecord(answered) && isRecord(answered.error) ? answered.error.message : undefined;
  return typeof said === 'string' ? `HTTP ${error.status}: ${said}` : `HTTP ${error.status}`;
}

function transportOf(tried: Tried, folder: string, hear: (text: string) => void) {
  if (tried.kind === 'http') {
    return new StreamableHTTPClientTransport(new URL(tried.url), { requestInit: { headers: tried.headers } });
  }
  const { command, args, env } = tried;
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    env: { ...getDefaultEnvironment(), ...env },
    cwd: folder,
    stderr: 'pipe',
  });
  transport.stderr?.on('data', (chunk: Buffer) => hear(chunk.toString('utf8')));
  return transport;
}
