import { expect, test } from 'vitest';
import { knowSecrets } from '../../../src/app/know-secrets.ts';
import { proxyPasswords } from '../../../src/image/proxies.ts';
import { document, only } from '../spec/checking.ts';

test("a server's secrets are looked up for the mask; what cannot be had is warned of and stops nothing", async () => {
  const line = "env: { A: 'x${secret:one}', B: '${secret:broken}', C: '${secret:gone}' }";
  const asked: string[] = [];
  const warnings: string[] = [];
  const spec = only(document({ mcp: ['command: run', line] })).spec;
  await knowSecrets(
    {
      secrets: async ({ name }) => {
        asked.push(name);
        if (name === 'broken') throw new Error('the provider is down');
        return name === 'gone' ? { found: false, tried: [] } : { found: true, value: 'v', provider: 'fake' };
      },
      warn: (text) => void warnings.push(text),
    },
    spec,
  );
  expect(asked).toEqual(['one', 'broken', 'gone']);
  expect(warnings.map((one) => one.split(' ')[1])).toEqual(['${secret:broken}', '${secret:gone}']);
});

test("a proxy's password is known as it is written, decoded, and with its user", () => {
  expect(proxyPasswords({ HTTPS_PROXY: 'http://me:p%40ss@proxy:3128', NO_PROXY: 'localhost' })).toEqual(
    expect.arrayContaining(['p%40ss', 'me:p%40ss', 'p@ss']),
  );
  expect(proxyPasswords({ HTTP_PROXY: 'http://proxy:3128' })).toEqual([]);
});
