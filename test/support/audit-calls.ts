import { asContainerId, asProjectName, asServerName } from '../../src/model/ids.ts';
import type { AuditedCall } from '../../src/model/trail/audit.ts';
import { createAuditReader } from '../../src/state/audit-reader.ts';
import { createAuditTrail } from '../../src/state/audit-trail.ts';
import { type LedgerPlaces, ledgerPlaces } from '../../src/state/ledger.ts';
import { createLedgerWriter } from '../../src/state/ledger-writer.ts';

/** A call for the trail; what a test does not care about is the same in all. */
export const auditedCall = (differing: Partial<AuditedCall> = {}): AuditedCall => ({
  project: asProjectName('p'),
  server: asServerName('fs'),
  generation: 1,
  container: asContainerId('c1'),
  engine: 'engine-1',
  protocolVersion: '2025-11-25',
  tool: 'echo',
  timeoutMs: 300_000,
  arguments: { text: 'hello' },
  keepArguments: false,
  ...differing,
});

/** A trail and its reader in a folder that stands for the XDG state folder. */
export function trailIn(stateFolder: string, who = { user: 'ada', host: 'desk', pid: process.pid }) {
  const places: LedgerPlaces = ledgerPlaces({ XDG_STATE_HOME: stateFolder });
  const writer = createLedgerWriter(places);
  const trail = createAuditTrail({ writer, who, mask: (args) => args });
  return { places, trail, writer, reader: createAuditReader(places) };
}

/** Makes `count` calls one after the other, each with its end. */
export async function writeCalls(stateFolder: string, count: number, user = 'ada'): Promise<void> {
  const { trail, writer } = trailIn(stateFolder, { user, host: 'desk', pid: process.pid });
  for (let index = 0; index < count; index++) {
    const { start, ended } = await trail.started(auditedCall({ arguments: { index } }));
    const end = await ended({ result: 'ok', durationMs: index, resultBytes: 2 });
    if (!start.written || !end.written) throw new Error(`${user} ${index}: ${JSON.stringify({ start, end })}`);
  }
  await writer.close();
}
