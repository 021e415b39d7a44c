import { afterAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { testProject } from '../../support/test-project.ts';

const count = 100;

/** The least that passes a gate: a shell is up at once, so that the time is the program's and the engine's. */
const shellServer = `while read -r line; do
  id=\${line#*'"id":'}; id=\${id%%[,\\}]*}
  case $line in
    *'"method":"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"method":"tools/list"'*) result='{"tools":[]}' ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "$id" "$result"
done`;

const spec = (index: number, memory = 32): string =>
  JSON.stringify({
    name: `s${String(index).padStart(3, '0')}`,
    docker_backend: { base_image: 'debian:bookworm-slim', resource_limits: { memory_mb: memory, cpu_cores: 0.5 } },
    // What the shell shall replace, looms must not.
    mcp_server: { command: 'bash', args: ['-c', shellServer.replaceAll('${', () => '$${')] },
  });

const document = (changed?: number): string =>
  Array.from({ length: count }, (_, index) => spec(index, index === changed ? 48 : 32)).join('\n---\n');

const timed = async <T>(work: Promise<T>): Promise<{ value: T; seconds: number }> => {
  const started = performance.now();
  const value = await work;
  return { value, seconds: Math.round((performance.now() - started) / 100) / 10 };
};

describe.skipIf(withoutEngine())(`${count} servers in one file`, () => {
  const project = testProject('many');
  afterAll(() => project.remove());

  test('are valid', async () => {
    const { value, seconds } = await timed(project.run(['validate', '-f', '-'], { stdin: document() }));
    console.log(`validate of ${count} servers: ${seconds} s`);
    expect(value).toExit(0);
    expect(value.stdout).toContain(`${count} servers`);
  });

  test('are applied, each gated, with --parallelism 8', async () => {
    const { value, seconds } = await timed(project.apply(document(), ['--parallelism', '8']));
    console.log(`apply of ${count} servers: ${seconds} s`);
    expect(value).toExit(0);
    expect(value.stdout).toContain(`${count} done in `);
    expect(await project.names()).toHaveLength(count);
  });

  test('are seen to be in sync, and one that changed is the only one touched', async () => {
    const { value, seconds } = await timed(project.diff(document()));
    console.log(`diff of ${count} unchanged servers: ${seconds} s`);
    expect(value).toMatchObject({ code: 0, plan: { steps: [] } });
    const before = await project.idOf('s041');
    const applied = await project.apply(document(42));
    expect(applied).toExit(0);
    expect(applied.stdout).toMatch(/^1 done, 99 unchanged in /m);
    expect(await project.idOf('s041')).toBe(before);
  });

  test('are printed as a file that says the same again, what was escaped in it included', async () => {
    const { stdout } = await project.run(['get', '-o', 'yaml']);
    expect(stdout).toContain('$${line');
    expect((await project.diff(stdout)).plan.changes.filter(({ action }) => action !== 'unchanged')).toEqual([]);
  });

  test('are removed in one go', async () => {
    const { value, seconds } = await timed(project.run(['delete', '--all', '--yes']));
    console.log(`delete of ${count} servers: ${seconds} s`);
    expect(value).toExit(0);
    expect(await project.names()).toEqual([]);
  });
});
