import { runGate } from '../../mcp/client/gate.ts';
import { isHttp } from '../../model/desired.ts';
import { duration } from '../../model/times.ts';
import { plural } from '../../model/values/words.ts';
import type { OrchestratorPorts } from '../../orchestrator/port.ts';
import { keepLog } from '../inspect/logs/keep-log.ts';
import { changedSecrets } from '../plan/changed-secrets.ts';
import { requireRules } from '../plan/require-rules.ts';
import type { Ports } from '../ports.ts';
import { knowSecrets } from '../talk/know-secrets.ts';
import { secretVariables, sessionEnv, sessionTarget } from '../talk/session-target.ts';

/** What an orchestrator is given of this machine: its ledger, its secrets, and the gate that talks MCP. */
export const orchestratorPorts = (ports: Omit<Ports, 'orchestrator'>): OrchestratorPorts => ({
  managedBy: ports.managedBy,
  environment: ports.environment,
  countExecutions: ports.countExecutions,
  requireRules: (specs, words) => requireRules(ports, specs, { code: 'spec-invalid', ...words }),
  changedSecrets: (project, servers, made) => changedSecrets(ports, project, servers, made),
  containerSecrets: async (project, { spec }) => {
    const values = await sessionEnv(spec, ports.secrets);
    const secret = Object.fromEntries(Object.keys(secretVariables(spec)).map((name) => [name, values[name] ?? '']));
    const prints = await ports.secretPrints.print({ project, server: spec.name }, secret);
    return { values, ...(prints === undefined ? {} : { prints }) };
  },
  gate: async (serving, { sessions, signal }) => {
    const { spec, project, secretPrints } = serving;
    // Whoever applies has trusted its record by now.
    if (isHttp(spec)) await knowSecrets(ports, spec, { project, foreignRecord: undefined, secretPrints });
    const target = await sessionTarget(serving, sessions, ports.secrets);
    const timeoutMs = spec.mcp.timeoutSeconds * 1000;
    const result = await runGate(await ports.openSession(), target, { timeoutMs, signal });
    if (!result.passed) return result;
    const { tools, milliseconds, unknownFilterNames: names } = result;
    const unknown = names.length === 0 ? '' : `; the filter names tools it does not have: ${names.join(', ')}`;
    return {
      passed: true,
      tools,
      note: `${plural(tools, 'tool')} in ${duration(milliseconds)}${unknown}`,
    };
  },
  keepLog: (at, of, { sessions, signal }) => keepLog(ports, sessions, at, of, signal),
  mask: ports.mask,
  pause: ports.pause,
  monotonicMs: ports.monotonicMs,
  processIsAlive: ports.processIsAlive,
  whoAmI: ports.whoAmI,
});
