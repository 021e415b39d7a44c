import { expect, test } from 'vitest';
import { formatSpec } from '../../../src/spec/fields/format.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';
import { forAll } from '../../support/properties.ts';
import { document, load, only } from './checking.ts';
import { desiredServers } from './desired-servers.ts';

test('a spec is written without what equals a default', () => {
  const text = document({
    backend: ['resource_limits: { cpu_cores: 1, memory_mb: 64 }'],
    mcp: ['command: run', 'env: { TOKEN: "${secret:t}" }'],
  });
  expect(formatSpec(only(text).spec)).toMatchInlineSnapshot(`
    "name: fs
    docker_backend:
      base_image: debian:bookworm-slim
      resource_limits:
        memory_mb: 64
    mcp_server:
      command: run
      env:
        TOKEN: \${secret:t}
    "
  `);
});

test('what was written loads again to the same server', () => {
  forAll(
    desiredServers,
    (server) => {
      const text = formatSpec(server);
      const { servers, diagnostics } = load(text);
      const errors = diagnostics.filter(({ severity }) => severity === 'error');
      expect(describeDiagnostics(errors), text).toBe('');
      expect(servers[0]?.spec, text).toEqual(server);
    },
    { runs: 300 },
  );
});
