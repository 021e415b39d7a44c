import { expect } from 'vitest';
import { projectOfRun } from '../support/images.ts';
import { kubectlProgram } from '../support/kubectl.ts';
import { leastRights } from '../support/least-rights.ts';
import { changed } from '../support/odd-servers.ts';
import { heldBySecrets, type Looked, placesOnCluster, placesOnEngine } from '../support/secret-search.ts';
import { talkerMark } from '../support/telling-servers.ts';
import { testProject } from '../support/test-project.ts';
import { tinySpec } from '../support/tiny-server.ts';
import { kubernetes, type Place } from './place.ts';

/** Runs `looms` and keeps what it says under the name of a place. */
export type RunAt = (
  place: string,
  args: readonly string[],
  code: number,
  stdin?: string,
  env?: object,
) => Promise<unknown>;

/** An engine of either kind, with all the places where a secret could be found. */
export type LeakPlace = Pick<Place, 'name' | 'project' | 'run' | 'start' | 'clean'> & {
  /** Secrets that are not those of servers, by what they are. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The talker as only this kind has it. */
  readonly talker: (spec: string) => string;
  readonly look: () => AsyncGenerator<Looked>;
  /** Whether a place shows the process of a call. */
  readonly isOfCall: (place: string, text: string) => boolean;
  /**
   * The servers that are made anew where their secrets have other values. What stays has a log of both, and whoever masks it
   * knows the new ones alone (docs/security.md).
   */
  readonly renewed: readonly ('talker' | 'web')[];
  /** What there is to do on this kind alone. */
  readonly more: (run: RunAt) => Promise<void>;
  /** Places that hold all that happened. */
  readonly atEnd: () => readonly Looked[];
  /** Kinds of places where what servers said was masked. */
  readonly masked: readonly string[];
  /** Expects of all places by their names that what only this kind has was looked at. */
  readonly expectLooked: (texts: (place: string) => readonly string[]) => void;
};

export const leakPlace = (): Promise<LeakPlace> => (kubectlProgram === '' ? onDocker() : onKubernetes());

/** Stands in the history of the image that looms makes. */
const madeHere = 'made-for-the-talker';

async function onDocker(): Promise<LeakPlace> {
  const project = testProject('leaks');
  const proxyPassword = 'quux-proxy-90211';
  const stream = await project.docker.getEvents({});
  const events: string[] = [];
  stream.on('data', (chunk: Buffer) => events.push(chunk.toString('utf8')));
  const builds = changed(tinySpec({ name: 'built' }), {
    backend: {
      base_image: undefined,
      runtime_type: 'custom',
      build_config: { from_image: 'debian:bookworm-slim', run_commands: ['env; echo "$HTTPS_PROXY"; exit 4'] },
    },
  });
  return {
    name: 'Docker',
    project: project.name,
    run: project.run,
    start: project.start,
    secrets: { 'password of a proxy': proxyPassword },
    // An image that looms makes, so that what builds leave behind is looked at too.
    talker: (spec) =>
      changed(spec, {
        backend: {
          base_image: undefined,
          runtime_type: 'custom',
          build_config: { from_image: 'node:24-slim', run_commands: [`env > /built-with && echo ${madeHere}`] },
          network: { egress_learn: true },
        },
      }),
    look: () => placesOnEngine(project.docker, project.name),
    isOfCall: (place) => place.startsWith('inspect of exec'),
    renewed: ['web'],
    async more(run) {
      for (const flags of [[], ['--json']]) {
        await run('names that were refused', ['egress', 'suggest', 'talker', ...flags], 0);
      }
      const proxy = { HTTPS_PROXY: `http://zoe:${proxyPassword}@127.0.0.1:9` };
      for (const flags of [[], ['--json'], ['--verbose']]) {
        const env = { LOOMS_DEBUG: '1', ...proxy };
        await run('failed build', ['apply', '-f', '-', '--yes', ...flags], 1, builds, env);
      }
    },
    atEnd: () => [['events of the engine', events.join('')]],
    masked: ['info', 'describe', 'names that were refused', 'failed build'],
    expectLooked(texts) {
      expect(texts('events of the engine').join('')).toContain(project.name);
      expect(texts('history of image').filter((text) => text.includes(madeHere))).not.toEqual([]);
      expect(texts('inspect of image').filter((text) => text.includes('looms/build:'))).not.toEqual([]);
    },
    async clean() {
      if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy();
      await project.remove();
    },
  };
}

/** Kinds of objects that a project has while it runs. */
const kindsOfProject = [
  'Namespace',
  'Deployment',
  'ReplicaSet',
  'Pod',
  'Secret',
  'ConfigMap',
  'Event',
  'NetworkPolicy',
];

async function onKubernetes(): Promise<LeakPlace> {
  const project = projectOfRun('leaks');
  const namespace = `looms-${project}`;
  // By way of what notes each request: its address and what it carries stand in audit logs of clusters.
  const { kubeconfig, recorded, clean } = await leastRights(project);
  const { name, run, start } = kubernetes(project, kubeconfig);
  const isSecret = ({ pathname }: URL): boolean => pathname.endsWith('/secrets');
  return {
    name,
    project,
    run,
    start,
    secrets: {},
    talker: (spec) => spec,
    look: () => placesOnCluster(namespace),
    isOfCall: (place, text) => place === 'command lines of pods' && text.includes(talkerMark),
    renewed: ['talker', 'web'],
    more: async () => {},
    atEnd: () => [
      ['addresses of requests', recorded.map(({ method, url }) => `${method} ${url.href}`).join('\n')],
      [
        'addresses of requests, decoded',
        recorded.map(({ url }) => [...url.searchParams.values()].join('\n')).join('\n'),
      ],
      ['bodies of requests', recorded.flatMap(({ url, body }) => (isSecret(url) ? [] : [body])).join('\n')],
    ],
    masked: ['failed gate that refuses', 'failed gate that refuses over HTTP'],
    expectLooked(texts) {
      for (const kind of kindsOfProject) expect(texts(`object ${kind}`), kind).not.toEqual([]);
      expect(texts('addresses of requests').join('')).toMatch(/pods\/looms-talker-\S+\/exec\?\S*command=/);
      expect(texts('bodies of requests').join('')).toContain('"kind":"Deployment"');
      expect(texts(heldBySecrets).length).toBeGreaterThan(2);
    },
    clean,
  };
}
