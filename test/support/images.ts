import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { openConnection } from '../../src/docker/engine/connection/connect.ts';
import type { Connection } from '../../src/docker/engine/connection/connection.ts';

/** Whether tests that need an engine are left out; says so once. */
export function withoutEngine(): boolean {
  const left = process.env.LOOMS_TEST_NO_ENGINE !== undefined && process.env.LOOMS_TEST_NO_ENGINE !== '';
  if (left) console.log('skipped: LOOMS_TEST_NO_ENGINE is set');
  return left;
}

/**
 * The value of the label `looms.test` on what a test makes past looms; `what` says whose it is. It ends with the run, so
 * that each run on an engine removes its own at its end (scripts/lib/test-leftovers.mjs) and nothing of another.
 */
export const testLabel = (what: string): string => `${what}.${process.env.LOOMS_TEST_RUN}`;

/**
 * A name for a project that looms makes things of, which can carry no label of a test: by it the run removes what it left
 * there, as it was interrupted (scripts/lib/test-leftovers.mjs). Six digits of it are the run's.
 */
export const projectOfRun = (what: string): string => {
  const [run, own] = [process.env.LOOMS_TEST_RUN ?? randomBytes(3).toString('hex'), randomBytes(2).toString('hex')];
  return `e2e-${what}-${run.slice(0, 6)}${own}`;
};

/** What made an image, layer by layer; nothing of one that somebody else removed meanwhile. */
export async function historyOf(docker: Docker, id: string): Promise<readonly { readonly CreatedBy: string }[]> {
  try {
    return await docker.getImage(id).history();
  } catch (error) {
    if ((error as { readonly statusCode?: number }).statusCode === 404) return [];
    throw error;
  }
}

export type ImageBench = {
  readonly docker: Docker;
  /** As the adapter under test has it. */
  connect(): Promise<Connection>;
  /** Label that everything made through this bench carries. */
  readonly labels: Readonly<Record<string, string>>;
  /** Ids of all images, intermediate ones included. */
  listAll(): Promise<{ images: string[] }>;
  /** Makes an image of a tar archive, as `docker import`. */
  importImage(ref: string, archive: Buffer): Promise<void>;
  /** Removes all that carries the label, and these references. */
  clean(): Promise<void>;
};

/** A connection for tests of images, and their clean-up. `name` is the test file's. */
export function imageBench(name: string): ImageBench {
  const socketPath = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace('unix://', '');
  const docker = new Docker({ socketPath });
  let connection: Connection | undefined;
  const value = testLabel(name);
  const label = `looms.test=${value}`;
  return {
    docker,
    async connect() {
      connection = await openConnection({ kind: 'socket', path: socketPath, origin: 'test' }, {});
      return connection;
    },
    labels: { 'looms.test': value },
    async listAll() {
      return { images: (await docker.listImages({ all: true })).map((image) => image.Id) };
    },
    async importImage(ref, archive) {
      const [repo, tag] = ref.split(/:(?=[^:/]*$)/);
      const options = { repo, tag, changes: [`LABEL ${label}`] };
      const answer = await docker.importImage(Readable.from([archive]), options);
      for await (const _ of answer) {
        // Read to its end: the image exists only then.
      }
    },
    async clean() {
      connection?.target.agent.destroy();
      const filters = { label: [label] };
      for (const found of await docker.listContainers({ all: true, filters })) {
        await docker.getContainer(found.Id).remove({ force: true, v: true });
      }
      for (const found of await docker.listImages({ filters })) {
        const refs = found.RepoTags?.filter((tag) => tag !== '<none>:<none>') ?? [];
        for (const ref of refs.length > 0 ? refs : [found.Id]) await docker.getImage(ref).remove({ force: true });
      }
    },
  };
}
