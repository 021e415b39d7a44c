import { createHash, createHmac } from 'node:crypto';
import type Docker from 'dockerode';
import { kubectlJson, kubectlSays } from './kubectl.ts';

/** A place and its text. Where the text is what servers wrote themselves, its name begins with `log of`. */
export type Looked = readonly [place: string, text: string];

/** Everything that the engine tells about a project's containers and what they are made of, as one text a place. */
export async function* placesOnEngine(docker: Docker, project: string): AsyncGenerator<Looked> {
  const filters = { label: [`looms.project=${project}`] };
  const images = new Set<string>();
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    const container = docker.getContainer(Id);
    const found = await container.inspect();
    images.add(found.Image);
    yield [`inspect of container ${found.Name}`, JSON.stringify(found)];
    for (const exec of found.ExecIDs ?? []) {
      // One that has ended is forgotten by the engine.
      const inspected = await docker
        .getExec(exec)
        .inspect()
        .catch(() => undefined);
      if (inspected !== undefined) yield [`inspect of exec ${exec}`, JSON.stringify(inspected)];
    }
    const logs = await container.logs({ stdout: true, stderr: true, follow: false });
    yield [`log of container ${found.Name}`, logs.toString('utf8')];
  }
  for (const id of images) {
    const image = docker.getImage(id);
    yield [`inspect of image ${id}`, JSON.stringify(await image.inspect())];
    yield [`history of image ${id}`, JSON.stringify(await image.history())];
  }
  yield ['networks', JSON.stringify(await docker.listNetworks({ filters }))];
  yield ['volumes', JSON.stringify(await docker.listVolumes({ filters }))];
}

type ClusterObject = {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: { readonly containers?: readonly { readonly name: string }[] };
};

/** Where a Secret of looms has its values, which is the one place for them. */
export const heldBySecrets = 'values of Secrets';

/**
 * Everything that a cluster tells about a namespace, as one text a place: each object of every kind that it lists, with who
 * wrote which field, and of what runs in its pods the words and the logs. Values of a Secret that cannot be changed are a
 * place of their own, `heldBySecrets`.
 */
export async function* placesOnCluster(namespace: string): AsyncGenerator<Looked> {
  const inNamespace = (...args: readonly string[]): Promise<string> => kubectlSays(['-n', namespace, ...args]);
  const kinds = (await kubectlSays(['api-resources', '--namespaced', '--verbs=list', '-o', 'name'])).trim().split('\n');
  const listed = await kubectlJson<{ readonly items: readonly ClusterObject[] }>([
    ...['-n', namespace, 'get', kinds.join(','), '--show-managed-fields'],
  ]);
  yield ['object Namespace', await kubectlSays(['get', 'namespace', namespace, '-o', 'json', '--show-managed-fields'])];
  for (const object of listed.items) {
    const { kind, immutable, data = {}, ...rest } = object;
    const isHeld = kind === 'Secret' && immutable === true;
    yield [`object ${kind}`, JSON.stringify(isHeld ? { kind, ...rest, data: Object.keys(data) } : object)];
    if (isHeld) yield [heldBySecrets, Object.values(data).join('\n')];
  }
  for (const { metadata, spec } of listed.items.filter(({ kind }) => kind === 'Pod')) {
    for (const { name } of spec?.containers ?? []) {
      const words = `for words in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <"$words"; echo; done 2>/dev/null; true`;
      // A pod may end, or its server not run, in this moment.
      const inPod = (...args: readonly string[]): Promise<string> => inNamespace(...args).catch(() => '');
      yield ['command lines of pods', await inPod('exec', metadata.name, '-c', name, '--', 'sh', '-c', words)];
      yield [`log of pod ${metadata.name}`, await inPod('logs', metadata.name, '-c', name)];
    }
  }
}

/** How a value may stand in a text: as it is, its longer lines, JSON-escaped, percent-encoded, in base64 or in hexadecimal. */
export function formsOf(value: string): readonly string[] {
  const encoded = [
    JSON.stringify(value).slice(1, -1),
    JSON.stringify(JSON.stringify(value)).slice(3, -3),
    encodeURIComponent(value),
    Buffer.from(value).toString('base64').replace(/=+$/, ''),
    Buffer.from(value).toString('hex'),
  ];
  const lines = value.split(/\r?\n/).filter((line) => line.trim().length >= 8);
  // Of a value of one character, these are as good as any text.
  const isShort = value.length < 4;
  return isShort ? [value] : [...new Set([value, ...lines, value.trim(), ...encoded])];
}

/**
 * What anybody can work out who tries a value: the first 12 characters of its hashes without a key, of the value alone, of its
 * lines in a file and of the variable that has it.
 */
export function hashesOf(variable: string, value: string): readonly string[] {
  const said = [
    value,
    `${value}\n`,
    `${variable}=${value}`,
    JSON.stringify(value),
    JSON.stringify({ [variable]: value }),
  ];
  return said.flatMap((text) =>
    ['md5', 'sha1', 'sha256', 'sha512'].flatMap((kind) =>
      [createHash(kind), createHmac(kind, ''), createHmac(kind, variable)].map((hash) =>
        hash.update(text).digest('hex').slice(0, 12),
      ),
    ),
  );
}

/** Names of the places on the engine in which `value` stands in one of its forms; none is what is wanted. */
export async function placesThatTell(docker: Docker, project: string, value: string): Promise<string[]> {
  const forms = formsOf(value);
  const telling: string[] = [];
  let looked = 0;
  for await (const [place, text] of placesOnEngine(docker, project)) {
    looked += 1;
    if (forms.some((form) => text.includes(form))) telling.push(place);
  }
  if (looked <= 2) throw new Error(`project ${project} has no containers to look into`);
  return telling;
}
