import { checkHealth, type ServerHealth } from '../../app/inspect/check-health.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { remainingArgs, serverName } from '../../cli/command-line/args.ts';
import { exitCodeOfHealth } from '../../cli/exit-codes.ts';
import { durationFlag, gatewayFlags, placeFlags } from '../../cli/flags.ts';
import type { healthProgress } from '../../cli/render/progress/health-progress.ts';
import { renderHealth } from '../../cli/render/servers/health.ts';
import { cancelOnSignal } from '../../cli/terminal/signals.ts';

/** Loaded only where it is drawn: it costs more than all other rendering together. */
const liveHealth = async (...args: Parameters<typeof healthProgress>) =>
  (await import('../../cli/render/progress/health-progress.ts')).healthProgress(...args);

export default class McpHealth extends BaseCommand {
  static override summary = 'Ask servers whether they answer';
  static override description =
    'Takes the steps of a client and times each: the engine, the container, a session (a process in the container, or a ' +
    'way through the relay), the MCP handshake, and tools/list. Exits 0 when all answer, 10 when one does not. Without ' +
    'names it asks all servers of the project, and one that somebody stopped is no failure; one that is named has to run.';
  static override examples = [
    { description: 'All servers of the project', command: 'looms mcp health' },
    { description: 'One, which has to answer within 5 s', command: 'looms mcp health fs --timeout 5' },
  ];
  static override args = { servers: remainingArgs({ description: 'names of servers; default is all' }) };
  static override flags = {
    timeout: durationFlag(1)({
      description: 'how long a server may take to answer: default is timeout_seconds of its spec',
    }),
    ...gatewayFlags,
    ...placeFlags,
  };

  async run(): Promise<readonly ServerHealth[]> {
    const { flags, args } = await this.parse(McpHealth);
    const { ports, project, terminal } = await this.open(flags);
    const named = (args.servers ?? []).map(serverName);
    const request = {
      project: project.name,
      servers: named,
      ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout * 1000 }),
    };
    const progress = terminal.live ? await liveHealth(terminal, this.program.stderr, ports.monotonicMs) : undefined;
    const { servers, notices } = await cancelOnSignal(this.program, (signal) =>
      checkHealth(ports, request, signal, progress?.watch),
    ).finally(progress?.finish);
    for (const notice of notices) terminal.note(notice);
    if (servers.length > 0) this.answer(() => renderHealth(servers, { ...terminal.table, named: named.length > 0 }));
    else this.notice(`No server in project ${project.name}.`);
    this.program.setExitCode(exitCodeOfHealth(servers, named.length > 0));
    return servers;
  }
}
