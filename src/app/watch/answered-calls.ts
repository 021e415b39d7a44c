import { asContainerId, type ContainerId, type ProjectName, type ServerName } from '../../model/ids.ts';
import { isoTime } from '../../model/times.ts';
import type { Ports } from '../ports.ts';

type CallPorts = Pick<Ports, 'auditReader' | 'orchestrator' | 'now'>;

/** How many calls of a server are looked at for one that was answered. */
const mostCalls = 20;

/** A call that a server answered: when it began, ms since 1970, and which container it was asked of. */
export type AnsweredCall = { readonly at: number; readonly container: ContainerId };

/**
 * The last call that a server of this engine answered and that began after a moment of the wall clock, by this machine's
 * trail. A call of the future, which is there when a clock was set back, says nothing of now.
 */
async function answeredCall(
  { auditReader, orchestrator, now }: CallPorts,
  project: ProjectName,
  server: ServerName,
  since: number,
): Promise<AnsweredCall | undefined> {
  let seen = 0;
  try {
    const here = (await (await orchestrator()).describe()).id;
    const query = { project, servers: [server], backTo: isoTime(since), newestFirst: true };
    for await (const { result, time, engine, container } of auditReader.calls(query)) {
      const at = Date.parse(time);
      if (at <= now() && engine === here && (result === 'ok' || result === 'tool-error')) {
        return { at, container: asContainerId(container) };
      }
      seen += 1;
      if (seen === mostCalls) break;
    }
  } catch {
    // Where the trail cannot be read, the server is asked.
  }
  return undefined;
}

/** Real calls of servers, which say what a probe would: of each server the last one that it answered. */
export function answeredCalls(
  ports: CallPorts,
  project: ProjectName,
): {
  /** One that began after a moment of the wall clock; of the trail nothing is read where nothing was written since the last look. */
  readonly since: (server: ServerName, since: number) => Promise<AnsweredCall | undefined>;
  /** What was read for other servers than these is forgotten. */
  readonly keep: (servers: ReadonlyMap<ServerName, unknown>) => void;
} {
  /** Up to which record of the trail no call of a server was found that it answered since it was asked. */
  const readTo = new Map<ServerName, number>();
  return {
    async since(server, since) {
      const newest = await ports.auditReader.newest().catch(() => undefined);
      if (newest !== undefined && newest === readTo.get(server)) return undefined;
      const call = await answeredCall(ports, project, server, since);
      if (call === undefined && newest !== undefined) readTo.set(server, newest);
      else readTo.delete(server);
      return call;
    },
    keep(servers) {
      for (const server of [...readTo.keys()]) if (!servers.has(server)) readTo.delete(server);
    },
  };
}
