import { expect, test } from 'vitest';
import type { Ports } from '../../../src/app/ports.ts';
import { knowSecrets } from '../../../src/app/talk/know-secrets.ts';
import { proxyPasswords } from '../../../src/image/proxies.ts';
import { asProjectName } from '../../../src/model/ids.ts';
import type { Notice } from '../../../src/model/notices.ts';
import { document, only } from '../spec/checking.ts';

const trusting = (accepted: boolean): Ports['trust'] => ({
  keyName: async () => undefined,
  isAccepted: async () => accepted,
  accept: async () => {},
  acceptsAll: false,
  ask: async () => false,
});

const made = { project: asProjectName('p'), secretPrints: undefined };
const noPrints: Ports['secretPrints'] = { keyName: async () => undefined, print: async () => undefined };

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
      warn: ({ code, message }) => void warnings.push(`${code}: ${message}`),
      trust: trusting(false),
      secretPrints: noPrints,
    },
    spec,
    { ...made, foreignRecord: undefined },
  );
  expect(asked).toEqual(['one', 'broken', 'gone']);
  expect(warnings.map((one) => one.split(' ').slice(0, 3).join(' '))).toEqual([
    'secret-not-masked: secret ${secret:broken}',
    'secret-not-masked: secret ${secret:gone}',
  ]);
});

test.each([
  [false, 0],
  [true, 1],
])('a record of somebody else, accepted: %s, has its secrets looked up %i times', async (accepted, times) => {
  const spec = only(document({ mcp: ['command: run', "env: { A: '${secret:one}' }"] })).spec;
  let asked = 0;
  const warnings: string[] = [];
  const secrets: Ports['secrets'] = async () => {
    asked += 1;
    return { found: true, value: 'v', provider: 'fake' };
  };
  const ports = {
    secrets,
    warn: ({ message }: Notice) => void warnings.push(message),
    trust: trusting(accepted),
    secretPrints: noPrints,
  };
  const foreignRecord = { digest: 'd', imageId: 'sha256:0123456789abcdef', maker: { kind: 'unsigned' } } as const;
  await knowSecrets(ports, spec, { ...made, foreignRecord });
  expect(asked).toBe(times);
  expect(warnings.join()).toMatch(accepted ? /^$/ : /\$\{secret:one\} is not looked up/);
});

test("a proxy's password is known as it is written, decoded, and with its user", () => {
  expect(proxyPasswords({ HTTPS_PROXY: 'http://me:p%40ss@proxy:3128', NO_PROXY: 'localhost' })).toEqual(
    expect.arrayContaining(['p%40ss', 'me:p%40ss', 'p@ss']),
  );
  expect(proxyPasswords({ HTTP_PROXY: 'http://proxy:3128' })).toEqual([]);
});
