import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contextsOf, findCluster } from '../../../../src/kubernetes/client/find-cluster.ts';
import { emptyFolder } from '../../../support/looms.ts';

const pem = (text: string): string => `-----BEGIN CERTIFICATE-----\n${text}\n`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

type Fields = Readonly<Record<string, unknown>>;

/** A kubeconfig of one context, cluster and user of the same name. */
const config = (name: string, cluster: Fields = {}, user: Fields = {}): Fields => ({
  'current-context': name,
  contexts: [{ name, context: { cluster: name, user: name } }],
  clusters: [{ name, cluster: { server: `https://${name}.test:6443/`, ...cluster } }],
  users: [{ name, user }],
});

function home(files: Readonly<Record<string, unknown>>) {
  const homeDirectory = emptyFolder();
  for (const [name, content] of Object.entries(files)) {
    const path = join(homeDirectory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
  const search = (environment: Readonly<Record<string, string>> = {}) => ({
    homeDirectory,
    environment,
    serviceAccountFolder: join(homeDirectory, 'pod'),
  });
  const named = (...names: readonly string[]) =>
    search({ KUBECONFIG: names.map((name) => join(homeDirectory, name)).join(delimiter) });
  return { homeDirectory, search, named };
}

const identity = async (user: Fields, files: Readonly<Record<string, string>> = {}) => {
  const { search } = home({ '.kube/config': config('a', {}, user), ...files });
  return (await findCluster(search()))?.identity();
};

describe('which cluster', () => {
  it('is none without a kubeconfig, or with one that has no context', async () => {
    expect(await findCluster(home({}).search())).toBe(null);
    expect(await findCluster(home({}).named('nowhere'))).toBe(null);
    expect(await findCluster(home({ '.kube/config': '' }).search())).toBe(null);
    expect(await contextsOf(home({}).search())).toEqual([]);
  });

  it('is the current one, or one by name', async () => {
    const two = { ...config('a'), contexts: [...(config('a').contexts as []), ...(config('b').contexts as [])] };
    const clusters = [...(config('a').clusters as []), ...(config('b').clusters as [])];
    const { search } = home({ '.kube/config': { ...two, clusters, users: [{ name: 'a' }, { name: 'b', user: {} }] } });
    expect(await findCluster(search())).toMatchObject({ context: 'a', endpoint: 'https://a.test:6443' });
    expect(await findCluster({ ...search(), context: 'b' })).toMatchObject({ endpoint: 'https://b.test:6443' });
    expect(await contextsOf(search())).toEqual(['a', 'b']);
    await expect(findCluster({ ...search(), context: 'c' })).rejects.toMatchObject({
      code: 'context-not-found',
      message: 'there is no context "c" in the kubeconfig',
      hint: 'there is a, b',
    });
  });

  it('has to be said where none is current', async () => {
    const { search } = home({ '.kube/config': { ...config('a'), 'current-context': '' } });
    await expect(findCluster(search())).rejects.toMatchObject({ code: 'context-not-found', hint: 'there is a' });
  });

  it('is found in several files, of which the first to name a thing has it', async () => {
    const { named } = home({
      one: { ...config('a', { server: 'https://first.test' }), users: [] },
      'sub/two': { ...config('b'), clusters: config('a', { server: 'https://second.test' }).clusters },
      three: config('a', { server: 'https://third.test' }, { token: 'three' }),
      four: config('b', { server: 'https://fourth.test' }),
    });
    const files = named('one', 'nowhere', 'sub/two', 'three', 'four');
    const a = await findCluster(files);
    expect(a).toMatchObject({ context: 'a', endpoint: 'https://first.test' });
    expect(await a?.identity()).toEqual({ headers: { Authorization: 'Bearer three' } });
    expect(await findCluster({ ...files, context: 'b' })).toMatchObject({ endpoint: 'https://fourth.test' });
    expect(await contextsOf(files)).toEqual(expect.arrayContaining(['a', 'b']));
  });

  it('is trusted as it is written', async () => {
    const { search, homeDirectory } = home({
      '.kube/config': config('a', {
        server: 'https://host/k8s/clusters/c-1/',
        'certificate-authority': 'ca.crt',
        'tls-server-name': 'other',
        'proxy-url': 'http://proxy:3128',
      }),
      '.kube/ca.crt': pem('file'),
      data: config('b', { 'certificate-authority-data': base64(pem('data')), 'insecure-skip-tls-verify': true }),
    });
    const found = await findCluster(search());
    expect(found).toMatchObject({
      endpoint: 'https://host/k8s/clusters/c-1',
      trust: { verify: true, servername: 'other' },
      proxy: new URL('http://proxy:3128'),
    });
    expect(await found?.trust.ca?.()).toBe(pem('file'));
    writeFileSync(join(homeDirectory, '.kube/ca.crt'), pem('replaced'));
    expect(await found?.trust.ca?.()).toBe(pem('replaced'));
    const other = await findCluster(search({ KUBECONFIG: join(homeDirectory, 'data') }));
    expect([other?.trust.verify, await other?.trust.ca?.()]).toEqual([false, pem('data')]);
  });

  it('is that of the pod, where there is no kubeconfig', async () => {
    const files = { 'pod/token': 'one\n', 'pod/ca.crt': pem('pod') };
    const { search, homeDirectory } = home(files);
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    const found = await findCluster(search(environment));
    expect(found).toMatchObject({
      context: 'in-cluster',
      endpoint: 'https://[fd00::1]:443',
      trust: { verify: true },
    });
    expect(await found?.trust.ca?.()).toBe(pem('pod'));
    writeFileSync(join(homeDirectory, 'pod/ca.crt'), pem('replaced'));
    expect(await found?.trust.ca?.()).toBe(pem('replaced'));
    expect(await found?.identity()).toEqual({ headers: { Authorization: 'Bearer one' } });
    writeFileSync(join(homeDirectory, 'pod/token'), 'two');
    expect(await found?.identity()).toEqual({ headers: { Authorization: 'Bearer two' } });
    expect(await findCluster(search())).toBe(null);
    const both = home({ ...files, '.kube/config': config('a') });
    expect(await findCluster(both.search(environment))).toMatchObject({ context: 'a' });
    expect(await findCluster({ ...both.search(environment), context: 'in-cluster' })).toMatchObject({
      context: 'in-cluster',
    });
    expect(await contextsOf(both.search(environment))).toEqual(['a', 'in-cluster']);
  });

  it.each<[string, unknown, string]>([
    ['no YAML', 'users:\n- name: a\n  user: {token: hunter2\n', 'is no valid YAML'],
    ['no kubeconfig', '[1, 2]', 'is no kubeconfig'],
    ['contexts that are no list', { contexts: { a: 1 } }, 'has contexts that are no list'],
    ['a context without a name', { contexts: [{ context: {} }] }, 'has a context without a name'],
    ['a cluster that is not there', { ...config('a'), clusters: [] }, 'names cluster "a", which is not there'],
    ['a user that is not there', { ...config('a'), users: [] }, 'names user "a", which is not there'],
    ['a server that is no URL', config('a', { server: 'localhost' }), 'has a server that is no URL of HTTP or HTTPS'],
    ['a server that is no text', config('a', { server: 1 }), 'has a server that is no text'],
    ['a switch that is a text', config('a', { 'insecure-skip-tls-verify': 'no' }), 'is neither true nor false'],
    ['an authority that is none', config('a', { 'certificate-authority-data': 'eHh4' }), 'that is no PEM text'],
  ])('is not told by a kubeconfig with %s', async (_, content, why) => {
    const { search } = home({ '.kube/config': content });
    const error = await findCluster(search()).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'usage', message: expect.stringContaining(why) });
    expect(String(error.message)).not.toContain('hunter2');
  });
});

describe('who asks', () => {
  it('is known by a token, a file that is read anew, a name and password, or a certificate', async () => {
    expect(await identity({ token: 'one' })).toEqual({ headers: { Authorization: 'Bearer one' } });
    expect(await identity({ token: 'one', tokenFile: 'token' }, { '.kube/token': 'two\n' })).toEqual({
      headers: { Authorization: 'Bearer two' },
    });
    expect(await identity({ username: 'me', password: 'ü' })).toEqual({
      headers: { Authorization: `Basic ${base64('me:ü')}` },
    });
    const user = { 'client-certificate': 'my.crt', 'client-key-data': base64(pem('key')) };
    expect(await identity(user, { '.kube/my.crt': pem('cert') })).toEqual({
      headers: {},
      certificate: { cert: pem('cert'), key: pem('key') },
    });
  });

  it('acts as whom it says', async () => {
    const user = { token: 't', as: 'bob', 'as-uid': '7', 'as-groups': ['x', 'y'], 'as-user-extra': { 'a/b': ['c'] } };
    expect(await identity(user)).toEqual({
      headers: {
        Authorization: 'Bearer t',
        'Impersonate-User': 'bob',
        'Impersonate-Uid': '7',
        'Impersonate-Group': ['x', 'y'],
        'Impersonate-Extra-a%2Fb': ['c'],
      },
    });
  });

  it.each<[string, Fields, string, string]>([
    ['a token that no header holds', { token: 'a\r\nHost: b' }, 'usage', 'holds characters'],
    ['a certificate without its key', { 'client-certificate-data': base64(pem('c')) }, 'usage', 'without its key'],
    ['a file that is not there', { tokenFile: 'nowhere' }, 'file-not-found', 'nowhere'],
    ['a provider of old', { 'auth-provider': { name: 'oidc' } }, 'engine-unsupported', 'auth-provider'],
    [
      'a program of an old version',
      { exec: { command: 'x', apiVersion: 'v1alpha1' } },
      'engine-unsupported',
      'v1alpha1',
    ],
    ['groups that are no list', { token: 't', 'as-groups': 'x' }, 'usage', 'as-groups'],
  ])('is not told by %s', async (_, user, code, why) => {
    await expect(identity(user)).rejects.toMatchObject({ code, message: expect.stringContaining(why) });
  });
});

describe('a program that knows who asks', () => {
  const apiVersion = 'client.authentication.k8s.io/v1';
  const asking = async (script: string, more: Fields = {}) => {
    const { search, homeDirectory } = home({
      '.kube/config': config(
        'a',
        {},
        { exec: { apiVersion, command: './who', env: [{ name: 'OWN', value: 'x' }], ...more } },
      ),
      '.kube/who': `#!/bin/sh\necho asked >>"$LOG"\n${script}\n`,
    });
    chmodSync(join(homeDirectory, '.kube/who'), 0o755);
    const log = join(homeDirectory, 'log');
    writeFileSync(log, '');
    const found = await findCluster(search({ LOG: log, PATH: process.env.PATH ?? '' }));
    if (found === null) throw new Error('no cluster was found');
    return { identity: found.identity, asked: () => readFileSync(log, 'utf8').split('\n').length - 1 };
  };
  const credential = (status: Fields): string =>
    `cat <<'END'\n${JSON.stringify({ apiVersion, kind: 'ExecCredential', status })}\nEND`;

  it('is asked once for many, until what it said is over or not let in', async () => {
    const { identity, asked } = await asking(credential({ token: 'one' }));
    const all = await Promise.all([1, 2, 3].map(() => identity()));
    expect(all).toEqual(Array.from({ length: 3 }, () => ({ headers: { Authorization: 'Bearer one' } })));
    expect(asked()).toBe(1);
    await identity(all[0]);
    expect(asked()).toBe(2);
    const over = await asking(credential({ token: 'one', expirationTimestamp: '2020-01-01T00:00:00Z' }));
    await over.identity();
    await over.identity();
    expect(over.asked()).toBe(2);
  });

  it('is asked once for all whose credential was not let in, also while it says another or has just done so', async () => {
    const { identity, asked } = await asking(credential({ token: 'one' }));
    const first = await Promise.all(Array.from({ length: 10 }, () => identity()));
    await Promise.all(first.map((refused) => identity(refused)));
    expect(asked()).toBe(2);
    const again = await identity(first[0]);
    expect(asked()).toBe(2);
    await identity(again);
    expect(asked()).toBe(3);
  });

  it('may say a certificate, and is told what it asks to be', async () => {
    const both = await asking(credential({ clientCertificateData: pem('c'), clientKeyData: pem('k') }));
    expect(await both.identity()).toEqual({ headers: {}, certificate: { cert: pem('c'), key: pem('k') } });
    const telling = `printf '{"apiVersion":"${apiVersion}","status":{"token":"%s-%s"}}' "$OWN" "$(echo "$KUBERNETES_EXEC_INFO" | tr -dc a-z)"`;
    const { identity } = await asking(telling, { provideClusterInfo: true });
    const { headers } = await identity();
    expect(headers.Authorization).toContain('Bearer x-');
    expect(headers.Authorization).toContain('interactivefalse');
    expect(headers.Authorization).toContain('serverhttpsatest');
  });

  it.each([
    ['fails', 'echo "log in first" >&2; echo hunter2; exit 3', 'ended with exit code 3'],
    ['prints something else', 'echo hunter2', 'is no ExecCredential'],
    ['speaks of another version', `echo '{"apiVersion":"v2","status":{"token":"hunter2"}}'`, 'is not of'],
    ['says nobody', credential({ token: '' }), 'neither a token nor a certificate'],
  ])('that %s is an error that holds nothing of its output, and is asked again', async (_, script, why) => {
    const { identity, asked } = await asking(script, { installHint: 'install it' });
    const error = await identity().catch((caught) => caught);
    expect(error).toMatchObject({ code: 'engine-rejected', message: expect.stringContaining(why) });
    expect(JSON.stringify([error.message, error.detail, String(error.cause)])).not.toContain('hunter2');
    await identity().catch(() => {});
    expect(asked()).toBe(2);
  });

  it('that is not there says how to get it', async () => {
    const { identity } = await asking('', { command: 'looms-no-such-program', installHint: 'install it' });
    await expect(identity()).rejects.toMatchObject({
      code: 'engine-rejected',
      message: expect.stringContaining('is not there'),
      hint: 'install it',
    });
  });
});
