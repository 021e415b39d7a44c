import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemCa } from '../../../src/files/system-ca.ts';

const pem = (body: string): string => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`;

async function machine(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'looms-ca-'));
  await mkdir(join(folder, 'added/house'), { recursive: true });
  await writeFile(join(folder, 'added/b.crt'), `${pem('BBBB')}\n`);
  await writeFile(join(folder, 'added/house/a.crt'), `# the house\n${pem('AAAA')}\n${pem('BBBB')}\n`);
  await writeFile(join(folder, 'added/key.pem'), '-----BEGIN PRIVATE KEY-----\nCCCC\n-----END PRIVATE KEY-----\n');
  await writeFile(join(folder, 'bundle.pem'), `${pem('DDDD')}\n`);
  return folder;
}

test('certificates that an administrator added are trusted by builds: all of them, once, and nothing else', async () => {
  const folder = await machine();
  const found = await systemCa({}, folder, [join(folder, 'added'), join(folder, 'none')]);
  expect(new TextDecoder().decode(found)).toBe(`${pem('BBBB')}\n${pem('AAAA')}\n`);
  expect(await systemCa({}, folder, [join(folder, 'none')])).toBeUndefined();
});

test('a bundle that Node or OpenSSL are told of counts before them, and one that cannot be read for nothing', async () => {
  const folder = await machine();
  const added = [join(folder, 'added')];
  for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE']) {
    const found = await systemCa({ [name]: 'bundle.pem' }, folder, added);
    expect(new TextDecoder().decode(found)).toBe(`${pem('DDDD')}\n`);
  }
  expect(new TextDecoder().decode(await systemCa({ SSL_CERT_FILE: 'none.pem' }, folder, added))).toContain('AAAA');
});
