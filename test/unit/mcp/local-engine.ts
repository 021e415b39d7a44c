import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { networkDial } from '../../../src/docker/engine/exec/network-dial.ts';
import type { Engine, ExecSession } from '../../../src/docker/port.ts';
import type { SessionTarget } from '../../../src/mcp/client/session.ts';
import type { DesiredServer, McpSpec, ToolFilter } from '../../../src/model/desired.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';

/** Path of one of our test servers. */
export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/servers/${name}`, import.meta.url));

export type LocalEngine = {
  readonly engine: Engine;
  /** argv of every exec, in order. */
  readonly execs: (readonly string[])[];
};

/** Of the execs those that began a server: short scripts look at a container, and at what the kernel refused there. */
export const serversIn = (execs: LocalEngine['execs']): LocalEngine['execs'] =>
  execs.filter(({ length }) => length > 4);

/**
 * Stands for an engine with one container: this machine. An exec is a child process in a session of its own, as the
 * real engine makes it. Only what sessions use is there.
 */
export function localEngine(options: { running?: boolean; exitCode?: number; sessions?: number } = {}): LocalEngine {
  const execs: (readonly string[])[] = [];
  const unused = () => {
    throw new Error('not part of this fake');
  };
  const containerRunning = async () => ({
    running: options.running ?? true,
    run: '',
    exitCode: options.exitCode ?? 0,
    engineHealth: null,
  });
  const exec: Engine['exec'] = async (_id, request) => {
    execs.push(request.argv);
    return localExec(request.argv, request.env ?? {});
  };
  const engine = new Proxy(
    {
      exec,
      dial: networkDial({ exec, containerRunning }),
      tailLog: async () => [{ time: 0, stream: 'stderr', text: 'last log line' }],
      countSessions: async () => options.sessions ?? 0,
      containerRunning,
    } as unknown as Engine,
    { get: (target, key) => (key in target ? Reflect.get(target, key) : unused) },
  );
  return { engine, execs };
}

function localExec(argv: readonly string[], env: Readonly<Record<string, string>>): ExecSession {
  const [command = 'false', ...args] = argv;
  const child = spawn(command, args, { detached: true, env: { ...process.env, ...env } });
  const ended = new Promise<{ exitCode: number | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ exitCode: code ?? (signal === 'SIGKILL' ? 137 : 143) }));
    child.on('error', () => resolve({ exitCode: 127 }));
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended,
    destroy() {
      child.stdin.destroy();
      child.stdout.destroy();
      child.stderr.destroy();
    },
  };
}

/** A target that runs `argv` as a stdio session on the given engine. */
export function targetFor(
  engine: Engine,
  argv: readonly string[],
  overrides: { mcp?: Partial<McpSpec>; env?: Record<string, string>; hasShell?: boolean; tools?: ToolFilter } = {},
): SessionTarget {
  const spec = {
    name: asServerName('unit'),
    limits: { executionTimeoutSeconds: 30 },
    mcp: {
      transport: { kind: 'stdio' },
      args: [],
      env: {},
      envFrom: [],
      timeoutSeconds: 10,
      protocol: 'legacy',
      tools: overrides.tools ?? { exclude: [] },
      ...overrides.mcp,
    },
  } as unknown as DesiredServer;
  return {
    sessions: engine,
    container: asContainerId('local'),
    spec,
    argv,
    hasShell: overrides.hasShell ?? true,
    env: overrides.env ?? {},
  };
}
