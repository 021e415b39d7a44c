import type { Refusal, RefusedServer } from '../../model/server-view.ts';
import type { Engine } from '../port.ts';

/** Lines of a forwarder's log that are looked at. */
const lookedAt = 5_000;

/** What one line of a forwarder's log says was refused or came to nothing; undefined when it says no such thing. */
function refusedIn(line: string): string | undefined {
  const name = /^refused name (\S+)$/.exec(line)?.[1];
  if (name !== undefined) return `${name}: not listed`;
  const [, target, state = '', rule, inTls, address] =
    /^connection to (\S+) ended (\S\S) at (\S+), name in TLS (\S+), address (\S+)$/.exec(line) ?? [];
  if (target === undefined) return undefined;
  // HAProxy's words: P, by its rules; S or s in phase C, while it connected.
  if (/^[Ss]C$/.test(state)) return `${target}: nobody answers at ${address}`;
  if (state !== 'PR') return undefined;
  if (rule === 'tls') return inTls === '-' ? `${target}: no name in TLS` : `${target}: TLS for ${inTls}`;
  return rule === 'name' ? `${target}: no such name` : `${target}: it leads to ${address}`;
}

/** `Orchestrator.refusals`: counted in the logs of the server's forwarders, the most frequent first. */
export async function refusalsOf(
  engine: Engine,
  { project, name, recorded }: RefusedServer,
): Promise<readonly Refusal[]> {
  if (recorded === undefined || recorded.spec.network.egress.length === 0) return [];
  const forwarders = (await engine.locate(project)).filter(
    ({ role, server }) => role === 'forwarder' && server === name,
  );
  const logs = await Promise.all(forwarders.map(({ id }) => engine.tailLog(id, lookedAt)));
  const refused = logs.flat().flatMap(({ text }) => refusedIn(text) ?? []);
  return [...Map.groupBy(refused, (what) => what)]
    .map(([what, { length: times }]) => ({ what, times }))
    .sort((a, b) => b.times - a.times || (a.what < b.what ? -1 : 1));
}
