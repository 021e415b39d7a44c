import type { EngineDescription } from '../../model/engine.ts';
import { failureOf } from '../../model/failure.ts';
import type { EngineAttempt } from '../../orchestrator/port.ts';
import type { Ports } from '../ports.ts';

/** One thing that `looms doctor` looked at. */
export type Check = {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  readonly hint?: string;
};

export type Diagnosis = {
  readonly checks: readonly Check[];
  /** Where an engine was looked for, and what was there. */
  readonly tried: readonly EngineAttempt[];
  readonly engine: EngineDescription | null;
};

const isolation = (engine: EngineDescription): Check =>
  engine.canHideHost
    ? {
        name: 'isolation',
        status: 'ok',
        detail:
          "isolated servers have no connection to the outside or this engine's host; datagrams that they broadcast do reach services of the host",
        hint: 'on the host, `sysctl net.ipv4.conf.all.rp_filter=1` closes that as well (docs/security.md)',
      }
    : {
        name: 'isolation',
        status: 'warning',
        detail: `${engine.kind} keeps isolated servers from the outside, but not from its own host`,
        hint: 'services on the host that must not be reached should not listen on all addresses',
      };

const storage = (engine: EngineDescription): Check => ({
  name: 'storage limits',
  status: 'ok',
  detail: engine.canLimitStorage
    ? `storage_mb works (${engine.storageDriver})`
    : `storage_mb is not available: ${engine.storageDriver} cannot limit a container's size here`,
});

async function engineChecks(ports: Ports): Promise<{ checks: Check[]; engine: EngineDescription | null }> {
  try {
    const orchestrator = await ports.orchestrator();
    const engine = await orchestrator.describe();
    const projects = await orchestrator.projects();
    const has = projects.length === 0 ? 'none yet' : projects.join(', ');
    return {
      engine,
      checks: [
        {
          name: 'engine',
          status: 'ok',
          detail: `${engine.kind} ${engine.version} (API ${engine.apiVersion}) at ${engine.endpoint}`,
        },
        {
          name: 'resources',
          status: 'ok',
          detail: `${engine.cpus} CPUs, ${Math.round(engine.memoryBytes / 2 ** 20)} MiB, ${engine.os}/${engine.architecture}`,
        },
        isolation(engine),
        storage(engine),
        { name: 'projects', status: 'ok', detail: has },
      ],
    };
  } catch (error) {
    const { message, hint } = failureOf(error);
    return {
      engine: null,
      checks: [{ name: 'engine', status: 'failed', detail: message, ...(hint === undefined ? {} : { hint }) }],
    };
  }
}

/** What others see as the maker of what is made here, and what to compare with what they say was made elsewhere. */
async function recordKey({ trust }: Ports): Promise<Check> {
  const name = 'record key';
  try {
    const key = await trust.keyName();
    const detail = key === undefined ? 'none yet; it is made with the first server' : `${key} signs records here`;
    return { name, status: 'ok', detail };
  } catch (error) {
    const { message, hint } = failureOf(error);
    return { name, status: 'failed', detail: message, ...(hint === undefined ? {} : { hint }) };
  }
}

/** Looks at everything looms needs, and never throws: what is wrong is the answer. */
export async function diagnose(ports: Ports): Promise<Diagnosis> {
  const program: Check = { name: 'looms', status: 'ok', detail: `${ports.managedBy}, Node ${process.versions.node}` };
  const { checks, engine } = await engineChecks(ports);
  return { checks: [program, await recordKey(ports), ...checks], tried: await ports.engineAttempts(), engine };
}
