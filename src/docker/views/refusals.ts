import { hasForwarder, isHostName, isIpv4 } from '../../model/container/egress.ts';
import type { Refusal, Refused, RefusedServer } from '../../model/server-view.ts';
import type { Engine } from '../port.ts';

/** Lines of a forwarder's log that are looked at. */
const lookedAt = 5_000;

type Noted = Pick<Refusal, 'what' | 'entry'>;

/** What one line of a forwarder's log says was refused or came to nothing; undefined when it says no such thing. */
function refusedIn(line: string): Noted | undefined {
  const name = /^refused name (\S+)$/.exec(line)?.[1];
  if (name !== undefined) return { what: `${name}: not listed`, entry: entryFor(name, 'PORT') };
  const tried = /^refused connection (\S+):(\d+)$/.exec(line);
  if (tried !== null) {
    const [, host = '', port = ''] = tried;
    return isIpv4(host)
      ? { what: `port ${port} of an address that no name was asked for`, entry: null }
      : { what: `${host}:${port}: not listed`, entry: entryFor(host, port) };
  }
  const [, target = '', state = '', rule, inTls = '', address] =
    /^connection to (\S+) ended (\S\S) at (\S+), name in TLS (\S+), address (\S+)$/.exec(line) ?? [];
  const listed = (what: string): Noted => ({ what: `${target}: ${what}`, entry: null });
  // HAProxy's words: P, by its rules; S or s in phase C, while it connected.
  if (/^[Ss]C$/.test(state)) return listed(`nobody answers at ${address}`);
  if (state !== 'PR') return undefined;
  if (rule === 'tls' && inTls === '-') return listed('no name in TLS');
  if (rule === 'tls') return { ...listed(`TLS for ${inTls}`), entry: entryFor(inTls.toLowerCase(), portOf(target)) };
  return listed(rule === 'name' ? 'no such name' : `it leads to ${address}`);
}

const portOf = (target: string): string => target.slice(target.lastIndexOf(':') + 1);

/** What would have to be listed for a name that a server chose; null for what can be none. */
const entryFor = (name: string, port: string): string | null =>
  isHostName(name) || isIpv4(name) ? `${name}:${port}` : null;

/** `Orchestrator.refusals`: counted in the logs of the server's forwarders, the most frequent first. */
export async function refusalsOf(engine: Engine, { project, name, recorded }: RefusedServer): Promise<Refused> {
  if (recorded === undefined || !hasForwarder(recorded.spec)) return { refusals: [] };
  const forwarders = (await engine.locate(project, { of: { role: 'forwarder' } })).filter(
    ({ role, server }) => role === 'forwarder' && server === name,
  );
  const logs = await Promise.all(forwarders.map(({ id }) => engine.tailLog(id, lookedAt)));
  const read = logs.some((lines) => lines.length >= lookedAt) ? { linesRead: lookedAt } : {};
  const refused = logs.flat().flatMap(({ text }) => refusedIn(text) ?? []);
  const refusals = [...Map.groupBy(refused, ({ what }) => what)]
    .map(([what, [{ entry } = { entry: null }, ...more]]) => ({ what, entry, times: more.length + 1 }))
    .sort((a, b) => b.times - a.times || (a.what < b.what ? -1 : 1));
  return { refusals, ...read };
}
