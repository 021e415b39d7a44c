import { execFile } from 'node:child_process';
import { isAbsolute, resolve } from 'node:path';
import { LoomsError } from '../../model/errors.ts';
import { duration } from '../../model/times.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import { programMs } from './bound.ts';
import { type Entry, switchOf, textOf, textsOf } from './kubeconfig.ts';

/** Most that is taken from it, bytes. */
const mostBytes = 1024 * 1024;
/** How long before it is over a credential is had anew, ms. */
const leewayMs = 10_000;

/** What a program says of who asks. */
export type Credential = {
  readonly token?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
};

/** What a program gets to know of the cluster that it is asked for (`spec.cluster` of an ExecCredential). */
export type ExecCluster = Readonly<Record<string, unknown>>;

const versions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];

/**
 * Asks the program that a kubeconfig names for a user's credential, and keeps it until it is over, or it is the one that was
 * `refused`: who asks by an older one gets what has come since, or is under way. It gets no terminal. Throws `engine-rejected`
 * when it gives none.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export function execCredential(
  entry: Entry,
  environment: Readonly<Record<string, string | undefined>>,
  cluster: () => Promise<ExecCluster>,
): (refused?: Credential) => Promise<Credential> {
  const run = programOf(entry, environment, cluster);
  type Kept = { readonly asked: Promise<Credential>; answer?: Answer };
  let kept: Kept | undefined;
  const holds = ({ answer }: Kept, refused: Credential | undefined): boolean =>
    answer === undefined || (answer.until > Date.now() && answer.credential !== refused);
  return (refused) => {
    if (kept !== undefined && holds(kept, refused)) return kept.asked;
    const asked = run().then((answer) => {
      next.answer = answer;
      return answer.credential;
    });
    // Whoever asks meanwhile waits for the same answer; a failure is not kept.
    const next: Kept = { asked };
    kept = next;
    asked.catch(() => {
      if (kept === next) kept = undefined;
    });
    return asked;
  };
}

type Answer = { readonly credential: Credential; readonly until: number };

function programOf(
  entry: Entry,
  environment: Readonly<Record<string, string | undefined>>,
  cluster: () => Promise<ExecCluster>,
): () => Promise<Answer> {
  const { title } = entry;
  const named = textOf(entry, 'command');
  const apiVersion = textOf(entry, 'apiVersion') ?? '';
  if (named === undefined) throw new LoomsError('usage', `${title} has no command`);
  if (!versions.includes(apiVersion)) {
    throw new LoomsError('engine-unsupported', `${title} speaks "${apiVersion}"`, {
      hint: `looms speaks ${versions.join(' and ')}: \`aws eks update-kubeconfig\` and its kin write a current one`,
    });
  }
  if (textOf(entry, 'interactiveMode') === 'Always') {
    throw new LoomsError('engine-unsupported', `${title} needs a terminal, which looms gives it none of`);
  }
  const command = /[/\\]/.test(named) && !isAbsolute(named) ? resolve(entry.folder, named) : named;
  const args = textsOf(entry, 'args');
  const own = variablesOf(entry);
  const installHint = textOf(entry, 'installHint');
  const isTold = switchOf(entry, 'provideClusterInfo');
  return async () => {
    const spec = { interactive: false, ...(isTold ? { cluster: await cluster() } : {}) };
    const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec });
    const env = { ...environment, ...own, KUBERNETES_EXEC_INFO: info };
    const stdout = await output({ command, args, env, title, installHint });
    return answerOf(stdout, apiVersion, title);
  };
}

function variablesOf(entry: Entry): Readonly<Record<string, string>> {
  const listed = entry.fields.env ?? [];
  const isVariable = (one: unknown): one is { readonly name: string; readonly value: string } =>
    isRecord(one) && typeof one.name === 'string' && typeof one.value === 'string';
  if (!Array.isArray(listed) || !listed.every(isVariable)) {
    throw new LoomsError('usage', `${entry.title} has an env that is no list of names and values`);
  }
  return Object.fromEntries(listed.map(({ name, value }) => [name, value]));
}

type Run = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly title: string;
  readonly installHint: string | undefined;
};

const output = ({ command, args, env, title, installHint }: Run): Promise<string> =>
  new Promise((resolve, reject) => {
    const options = { env: { ...env }, timeout: programMs, maxBuffer: mostBytes, killSignal: 'SIGKILL' as const };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const { code, killed } = error;
      const why =
        typeof code === 'number'
          ? `ended with exit code ${code}`
          : code === 'ENOENT'
            ? 'is not there'
            : killed === true
              ? `took more than ${duration(programMs)} or said too much`
              : `failed (${code ?? 'killed'})`;
      const detail = stderr.split('\n').filter((line) => line.trim() !== '');
      // What it printed stands in the error's own message.
      reject(
        new LoomsError('engine-rejected', `${command}, the program of ${title}, ${why}`, {
          hint: installHint ?? 'run it by hand, or log in again',
          detail: detail.slice(-5),
        }),
      );
    });
    child.stdin?.on('error', () => {}); // It need not read its input.
    child.stdin?.end();
  });

function answerOf(stdout: string, apiVersion: string, title: string): Answer {
  const refused = (why: string): LoomsError =>
    new LoomsError('engine-rejected', `what the program of ${title} printed ${why}`);
  const answer = parsedJson(stdout);
  const status = isRecord(answer) ? answer.status : undefined;
  if (!isRecord(answer) || !isRecord(status)) throw refused('is no ExecCredential');
  if (answer.apiVersion !== apiVersion) throw refused(`is not of ${apiVersion}, which it was asked for`);
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp: until } = status;
  const hasToken = typeof token === 'string' && token !== '';
  const hasCertificate = typeof cert === 'string' && typeof key === 'string';
  if (!hasToken && !hasCertificate) throw refused('holds neither a token nor a certificate');
  const end = typeof until === 'string' ? Date.parse(until) : Number.POSITIVE_INFINITY;
  return {
    credential: { ...(hasToken ? { token } : {}), ...(hasCertificate ? { certificate: { cert, key } } : {}) },
    until: Number.isNaN(end) ? 0 : end - leewayMs,
  };
}
