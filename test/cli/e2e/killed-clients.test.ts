import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { testProject } from '../../support/test-project.ts';

const clients = 100;
const atOnce = 10;

/**
 * A server in shell, so that a hundred of them fit: it lists the tool `wait`, which never answers, and takes neither the
 * end of its input nor SIGTERM for a reason to end.
 */
const stubborn = `
trap '' TERM HUP
while IFS= read -r line; do
  id=$(printf %s "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
  case "$line" in
    *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"stubborn","version":"1"}}}' ;;
    *tools/list*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"tools":[{"name":"wait","inputSchema":{"type":"object"}}]}}' ;;
  esac
done
while :; do sleep 1; done`;

const spec = JSON.stringify({
  name: 'stubborn',
  docker_backend: {
    runtime_type: 'custom',
    base_image: 'debian:bookworm-slim',
    resource_limits: { pids_limit: 1000, execution_timeout_seconds: 1 },
  },
  mcp_server: { command: 'sh', args: ['-c', stubborn], timeout_seconds: 5 },
});

describe.skipIf(withoutEngine())('clients that are killed', () => {
  const project = testProject('killed');

  beforeAll(async () => {
    const { code, stderr } = await project.apply(spec);
    expect(code, stderr).toBe(0);
  });
  afterAll(() => project.remove());

  const sessions = async (): Promise<string[]> => {
    const { Processes } = (await project.container('stubborn').top()) as { Processes: string[][] };
    return Processes.map((row) => row.at(-1) ?? '').filter((line) => !/docker-init|sleep infinity/.test(line));
  };

  /** A call that is killed once `until` is over. */
  const killedCall = async (until: () => Promise<unknown>): Promise<void> => {
    const { child, finished } = project.start(['mcp', 'call', 'stubborn', 'wait']);
    await until();
    child.kill('SIGKILL');
    await finished;
  };

  /** Milliseconds until a call has its session, beside nine others, as busy as the machine is now. */
  const timeToSession = async (): Promise<number> => {
    const start = performance.now();
    const open = eventually(async () => expect((await sessions()).length).toBeGreaterThanOrEqual(atOnce), 60_000);
    await Promise.all(Array.from({ length: atOnce }, () => killedCall(() => open)));
    return performance.now() - start;
  };

  test('an answer is told before the session of such a server is ended, and then it is', async () => {
    const { child, finished, stdout } = project.start(['mcp', 'tools', 'stubborn']);
    await eventually(() => expect(stdout()).toContain('wait()'), 20_000, 10);
    expect([child.exitCode, (await sessions()).length > 0]).toEqual([null, true]);
    expect((await finished).code).toBe(0);
    expect(await sessions()).toEqual([]);
  });

  test('a hundred of them leave no process, also of a server that ignores the end of its input', async () => {
    const openAfterMs = await timeToSession();
    let seen = 0;
    for (let first = atOnce; first < clients; first += atOnce) {
      // Each at a moment of its own: before its session, while it is opened, or in the call.
      const momentOf = (index: number): number => (((first + index) % 25) / 25) * 2 * openAfterMs;
      await Promise.all(Array.from({ length: atOnce }, (_, index) => killedCall(() => pause(momentOf(index)))));
      seen = Math.max(seen, (await sessions()).length);
    }
    expect(seen).toBeGreaterThan(atOnce);
    // A session may last for connecting, one call, and a minute (docs/spec.md, limits); then it ends by itself.
    await eventually(async () => expect(await sessions()).toEqual([]), 120_000, 500);
    const { stdout } = await project.run(['mcp', 'tools', 'stubborn', '--json']);
    expect(JSON.parse(stdout)).toHaveLength(1);
  }, 400_000);
});
