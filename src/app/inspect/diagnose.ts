import type { EngineDescription, SeveralDescription, SingleDescription } from '../../model/engine.ts';
import { isFailure } from '../../model/errors.ts';
import { failureOf } from '../../model/failure.ts';
import { defined } from '../../model/values/defined.ts';
import { plural } from '../../model/values/words.ts';
import type { EngineAttempt, IsolationFinding, Orchestrator } from '../../orchestrator/port.ts';
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

/** What is said of one thing. */
const checked =
  (name: string) =>
  (status: Check['status'], detail: string, hint?: string): Check => ({ name, status, detail, ...defined({ hint }) });

const isolated = checked('isolation');

function isolation(engine: SingleDescription): Check {
  if (engine.kind === 'kubernetes') {
    return engine.canHideHost
      ? isolated('ok', 'isolated servers have no connection to the outside or to their nodes')
      : isolated(
          'warning',
          'NetworkPolicies keep isolated servers in, where this cluster enforces them; their nodes may be in reach',
          '`looms doctor --probe` tries it with two pods, which it takes away again',
        );
  }
  return engine.canHideHost
    ? isolated(
        'ok',
        "isolated servers have no connection to the outside or this engine's host; datagrams that they broadcast do reach services of the host",
        'on the host, `sysctl net.ipv4.conf.all.rp_filter=1` closes that as well (docs/security.md)',
      )
    : isolated(
        'warning',
        `${engine.kind} keeps isolated servers from the outside, but not from its own host`,
        'services on the host that must not be reached should not listen on all addresses',
      );
}

/** That of a cluster, as it was tried. */
function triedIsolation({ enforced, reachesNode, seen }: IsolationFinding): Check {
  const plugin = 'Calico, Cilium and most other network plugins enforce NetworkPolicies, flannel alone does not';
  if (enforced === null) {
    return isolated('warning', `not known: ${seen}`, 'something else keeps pods of this cluster apart');
  }
  if (!enforced) return isolated('failed', `isolated servers are not kept in: ${seen}`, plugin);
  return reachesNode === false
    ? isolated('ok', `isolated servers are kept in, and reach no service of their node: ${seen}`)
    : isolated(
        'warning',
        `isolated servers are kept in, but reach services of their node: ${seen}`,
        'Kubernetes promises nothing of a pod and its node; services there that must not be reached should not listen on all addresses',
      );
}

/** Tries isolation out; where that cannot be done, why is the answer. */
async function probed(orchestrator: Orchestrator, signal: AbortSignal | undefined): Promise<Check> {
  try {
    return triedIsolation(await orchestrator.tryIsolation({ signal }));
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error;
    const { message, hint } = failureOf(error);
    return isolated('failed', `it could not be tried: ${message}`, hint);
  }
}

const storageText = (engine: SingleDescription): string => {
  if (engine.kind === 'kubernetes') {
    return engine.canLimitStorage
      ? 'storage_mb works: a pod that writes more is evicted'
      : 'storage_mb is not available: the nodes do not count what pods write';
  }
  return engine.canLimitStorage
    ? `storage_mb works (${engine.storageDriver})`
    : `storage_mb is not available: ${engine.storageDriver} cannot limit a container's size here`;
};

/** Said where it is not so: nearly every engine can. */
function processLimits({ kind, canLimitProcesses }: SingleDescription): readonly Check[] {
  if (canLimitProcesses) return [];
  const said = checked('process limits');
  return [
    kind === 'kubernetes'
      ? said('ok', 'pids_limit is not available: podPidsLimit of a node is what holds for its pods')
      : said(
          'warning',
          'this engine cannot limit processes, so servers are refused',
          'on a rootless engine, let systemd delegate the cgroup controllers to your user',
        ),
  ];
}

/** Said of a cluster: a forwarder of an engine takes names anywhere. */
function names(engine: SingleDescription): readonly Check[] {
  if (engine.kind !== 'kubernetes') return [];
  const said = checked('egress by name');
  return [
    engine.canLeadByName
      ? said(
          'ok',
          'network.egress takes names: the cluster has policies of Cilium; that it enforces them was not tried',
        )
      : said('ok', 'network.egress takes addresses only: names take Cilium as the cluster’s network plugin'),
  ];
}

function resources(engine: SingleDescription): Check {
  const { cpus, memoryBytes, os, architecture } = engine;
  const said = checked('resources');
  if (engine.kind === 'kubernetes' && engine.nodes === 0) {
    const hint = '`kubectl auth can-i list nodes` says which; looms does without';
    return said('ok', 'not known: no node takes pods, or who looms is here may not list nodes', hint);
  }
  const nodes = engine.kind === 'kubernetes' ? `${plural(engine.nodes, 'node')}, ` : '';
  return said('ok', `${nodes}${cpus} CPUs, ${Math.round(memoryBytes / 2 ** 20)} MiB, ${os}/${architecture}`);
}

/** Whoever may work in one project need not know of others. */
async function projects(orchestrator: Pick<Orchestrator, 'projects'>): Promise<Check> {
  const said = checked('projects');
  try {
    const known = await orchestrator.projects();
    return said('ok', known.length === 0 ? 'none yet' : known.join(', '));
  } catch (error) {
    if (!isFailure(error, 'engine-rejected')) throw error;
    return said('ok', `not known: ${error.message}`, error.hint);
  }
}

/** What is looked at of one engine; `tried` where isolation was. */
const checksOf = (engine: SingleDescription, tried: Check | undefined): readonly Check[] => [
  checked('engine')('ok', `${engine.kind} ${engine.version} (API ${engine.apiVersion}) at ${engine.endpoint}`),
  resources(engine),
  tried ?? isolation(engine),
  checked('storage limits')('ok', storageText(engine)),
  ...processLimits(engine),
  ...names(engine),
];

/** The same of each of several engines, by its name; of one that does not answer, that. */
const checksOfAll = ({ engines, away }: SeveralDescription, tried: Check | undefined): readonly Check[] => [
  ...Object.entries(engines).flatMap(([name, engine]) =>
    checksOf(engine, undefined).map((check) => ({ ...check, name: `${name}: ${check.name}` })),
  ),
  ...Object.entries(away).map(([name, why]) => checked(`${name}: engine`)('failed', why)),
  ...(tried === undefined ? [] : [tried]),
];

async function engineChecks(
  ports: Ports,
  { probe, signal }: DiagnoseOptions,
): Promise<{ readonly checks: readonly Check[]; readonly engine: EngineDescription | null }> {
  try {
    const orchestrator = await ports.orchestrator();
    const engine = await orchestrator.describe();
    const tried = probe === true ? await probed(orchestrator, signal) : undefined;
    const checks = engine.kind === 'several' ? checksOfAll(engine, tried) : checksOf(engine, tried);
    return { engine, checks: [...checks, await projects(orchestrator)] };
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error;
    const { message, hint } = failureOf(error);
    return { engine: null, checks: [checked('engine')('failed', message, hint)] };
  }
}

/** What others see as the maker of what is made here, and what to compare with what they say was made elsewhere. */
async function recordKey({ trust }: Ports): Promise<Check> {
  const said = checked('record key');
  try {
    const key = await trust.keyName();
    return said('ok', key === undefined ? 'none yet; it is made with the first server' : `${key} signs records here`);
  } catch (error) {
    const { message, hint } = failureOf(error);
    return said('failed', message, hint);
  }
}

type DiagnoseOptions = {
  /** Whether what the engine leaves to others is tried out, which makes containers for some seconds. */
  readonly probe?: boolean;
  readonly signal?: AbortSignal;
};

/** Looks at everything looms needs: what is wrong is the answer. Throws nothing but `interrupted`, when the signal aborts. */
export async function diagnose(ports: Ports, options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const program = checked('looms')('ok', `${ports.managedBy}, Node ${process.versions.node}`);
  const { checks, engine } = await engineChecks(ports, options);
  return { checks: [program, await recordKey(ports), ...checks], tried: await ports.engineAttempts(), engine };
}
