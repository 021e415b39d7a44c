import { ProtocolError } from '@modelcontextprotocol/client';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { suggestion } from '../../model/values/nearest.ts';
import { identified, listAll, type Requester } from './requests.ts';
import type { AskOptions, ReadResult, ResourceList, Session } from './session.ts';

/** JSON-RPC's "method not found". */
const methodNotFound = -32601;
/** MCP's "resource not found" of the revisions before 2026-07-28; the later ones say "invalid params". */
const resourceNotFound: readonly number[] = [-32002, -32602];

/** The part of a session that is about resources. */
export function resourcesOf(requester: Requester): Pick<Session, 'listResources' | 'readResource'> {
  const { server } = requester;

  const list = async (signal?: AbortSignal): Promise<ResourceList> => {
    if (!requester.offers('resources')) return { offered: false, resources: [], resourceTemplates: [] };
    const resources = await listAll(requester, 'resources/list', 'resources', signal);
    const templates = await withoutMethod(listAll(requester, 'resources/templates/list', 'resourceTemplates', signal));
    return {
      offered: true,
      resources: identified(resources, 'uri', { server, what: 'resource' }),
      resourceTemplates: identified(templates, 'uriTemplate', { server, what: 'resource template' }),
    };
  };

  const read = async (uri: string, { timeoutMs, signal }: AskOptions): Promise<ReadResult> => {
    if (!requester.offers('resources')) throw new LoomsError('resource-not-found', `${server} offers no resources`);
    const bounds = { phase: { request: `resources/read of ${uri}` }, timeoutMs, signal };
    const result = await explained(requester.request('resources/read', { uri }, bounds), uri, () => list(signal));
    const contents = Array.isArray(result.contents) ? result.contents.filter(isRecord) : [];
    return { ...result, contents };
  };

  /** A refusal names what the server has instead, as far as it lists it: a URI may also come from a template. */
  const explained = async <T>(answer: Promise<T>, uri: string, known: () => Promise<ResourceList>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      const code = jsonRpcCode(error);
      if (!(error instanceof LoomsError) || code === undefined || !resourceNotFound.includes(code)) throw error;
      const uris: readonly string[] = await known().then(
        ({ resources }) => resources.map((resource) => resource.uri),
        (): readonly string[] => [], // What the server said first is what counts.
      );
      if (uris.includes(uri)) throw error;
      throw new LoomsError('resource-not-found', `${server} has no resource ${uri}`, {
        hint: `${suggestion(uri, uris)}\`looms mcp resources ${server}\` lists what it has`,
        detail: [error.message, ...error.detail],
        cause: error,
      });
    }
  };

  return {
    listResources: (options = {}) => list(options.signal),
    readResource: read,
  };
}

/** A server may have resources and know nothing of templates. */
async function withoutMethod(items: Promise<readonly unknown[]>): Promise<readonly unknown[]> {
  try {
    return await items;
  } catch (error) {
    if (jsonRpcCode(error) === methodNotFound) return [];
    throw error;
  }
}

const jsonRpcCode = (error: unknown): number | undefined =>
  error instanceof LoomsError && error.cause instanceof ProtocolError ? error.cause.code : undefined;
