import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { Finished } from '../support/looms.ts';
import { changed, httpSpec } from '../support/odd-servers.ts';
import { onPodman } from '../support/podman.ts';
import type { TestProject } from '../support/test-project.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';
import { dataFolder, keptFile } from './state.ts';

/** A command of looms that is cut off, and run again. */
export type Command = { readonly args: readonly string[]; readonly stdin?: string };

/** `before`: a part of the first writing call that is cut with the fault all the same, as `DELETE /networks/`. */
export type Pointless = { readonly why: string; readonly before: string };

/**
 * Something that looms brings about. `turn` counts the cuts: where each one ends where the next begins, even and odd
 * turns go back and forth between two states.
 */
export type Transition = {
  /** Why there is none of it on Podman. */
  readonly notOnPodman?: string;
  readonly name: string;
  readonly what: string;
  /** `server:tool` of what must answer all the time. */
  readonly probes: readonly string[];
  /** Servers with a file that must outlive everything. */
  readonly keepers: readonly string[];
  /** Each turn begins where the one before ended, so nothing needs preparing between them. */
  readonly chained: boolean;
  /** Faults after which there is no such end to come to: they are not cut. */
  readonly pointless?: Readonly<Record<string, Pointless>>;
  /** Brings the project to where `turn` begins, from any state. */
  readonly prepare: (project: TestProject, turn: number) => Promise<void>;
  readonly command: (turn: number) => Command;
};

const memory = (turn: number): number => (turn % 2 === 0 ? 128 : 144);
const apply = (yaml: string, ...flags: string[]): Command => ({
  args: ['apply', '-f', '-', '--yes', ...flags],
  stdin: yaml,
});

const stdio = (name: string, turn: number, backend: object = {}): string =>
  changed(tinySpec({ name, memoryMiB: memory(turn) }), {
    backend: { resource_limits: { memory_mb: memory(turn) }, ...backend },
  });
const withVolume = (volume: string) => ({ volume_mounts: [{ source: volume, target: dataFolder }] });
const http = (name: string, turn: number, volume?: string): string =>
  httpSpec(name, {
    ...(volume === undefined ? {} : { volume }),
    backend: { resource_limits: { memory_mb: memory(turn) } },
  });

const expectGood = (what: string, { code, stdout, stderr }: Finished): void => {
  if (code !== 0) throw new Error(`${what} ended with ${code}\n${stdout}\n${stderr}`);
};

async function bring(project: TestProject, { args, stdin }: Command): Promise<void> {
  expectGood(args.join(' '), await project.run(args, stdin === undefined ? {} : { stdin }));
}

const rotated = stdio('a', 0, { lifecycle: { max_executions: 1 }, ...withVolume('data') });
/** With files of the container itself; a turn changes its memory. */
const keeping = (turn: number): string =>
  stdio('a', turn, { security: { read_only_root: false }, lifecycle: { preserve: [dataFolder] } });
const keep: Command = { args: ['delete', '--all', '--preserve-data', '--yes'] };
const both = specs(stdio('a', 0, withVolume('data')), http('web', 0, 'web'));
const three = (turn: number): string => specs(stdio('a', turn), http('web', turn), http('kept', turn, 'kept'));

/** A turn changes what it may reach. */
const led = (turn: number): string =>
  stdio('a', 0, { network: { egress: [turn % 2 === 0 ? 'db.example.com:5432' : 'other.example.com:5432'] } });

/** All that is cut. A new one is an entry here. */
export const transitions: readonly Transition[] = [
  {
    name: 'create',
    what: 'a server with a volume, where nothing was',
    probes: [],
    keepers: [],
    chained: false,
    prepare: (project) => project.remove(),
    command: () => apply(stdio('a', 0, withVolume('data'))),
  },
  {
    name: 'start-first',
    what: 'a stdio server replaced while it serves',
    probes: ['a:echo'],
    keepers: ['a'],
    chained: true,
    prepare: (project, turn) => bring(project, apply(stdio('a', turn, withVolume('data')))),
    command: (turn) => apply(stdio('a', turn + 1, withVolume('data'))),
  },
  {
    name: 'stop-first',
    what: 'an HTTP server replaced that alone may write its volume',
    probes: [],
    keepers: ['web'],
    chained: true,
    prepare: (project, turn) => bring(project, apply(http('web', turn, 'data'))),
    command: (turn) => apply(http('web', turn + 1, 'data')),
  },
  {
    name: 'egress',
    what: 'a server with an allow-list that changes, while it serves',
    notOnPodman: 'a server with a list is blocked there',
    probes: ['a:echo'],
    keepers: [],
    chained: true,
    prepare: (project, turn) => bring(project, apply(led(turn))),
    command: (turn) => apply(led(turn + 1)),
  },
  {
    name: 'rotate',
    what: 'a server that has served its executions, while it serves',
    probes: ['a:echo'],
    keepers: ['a'],
    chained: false,
    prepare: async (project) => {
      await bring(project, apply(rotated));
      await bring(project, { args: ['mcp', 'call', 'a', 'echo', 'text=once'] });
    },
    command: () => apply(rotated),
  },
  {
    name: 'carry',
    what: 'a server whose own files go over to its successor',
    probes: [],
    keepers: ['a'],
    chained: true,
    prepare: (project, turn) => bring(project, apply(keeping(turn))),
    command: (turn) => apply(keeping(turn + 1)),
  },
  {
    name: 'keep',
    what: 'a server removed whose files are kept',
    pointless: {
      'outside-remove': { why: 'somebody removed the files before they were copied', before: '/archive?' },
      'outside-replace': {
        why: 'a server that somebody made after the copy is not taken for the one that was copied: blocked',
        before: 'DELETE /networks/',
      },
    },
    probes: [],
    keepers: ['a'],
    chained: false,
    prepare: (project) => bring(project, apply(keeping(0))),
    command: () => keep,
  },
  {
    name: 'restore',
    what: 'a server that gets back what was kept',
    probes: [],
    keepers: [],
    chained: false,
    prepare: async (project) => {
      await bring(project, apply(keeping(0)));
      await writeKept(project, 'a');
      await bring(project, keep);
    },
    command: () => apply(keeping(0)),
  },
  {
    name: 'rollback',
    what: 'a server brought back to the generation before, while it serves',
    probes: ['a:echo'],
    keepers: ['a'],
    chained: false,
    prepare: async (project) => {
      await project.remove();
      for (const turn of [0, 1]) await bring(project, apply(stdio('a', turn, withVolume('data'))));
    },
    // By its number: without one, the same command would go forward again once it was through.
    command: () => ({ args: ['rollback', 'a', '--to', '1', '--yes'] }),
  },
  {
    name: 'prune',
    what: 'one of two servers that is no longer declared',
    probes: ['a:echo'],
    keepers: ['a'],
    chained: false,
    prepare: (project) => bring(project, apply(both)),
    command: () => apply(stdio('a', 0, withVolume('data')), '--prune'),
  },
  {
    name: 'delete',
    what: 'all of a project but its volumes',
    probes: [],
    keepers: [],
    chained: false,
    prepare: (project) => bring(project, apply(both)),
    command: () => ({ args: ['delete', '--all', '--yes'] }),
  },
  {
    name: 'three',
    what: 'three servers replaced at once: stdio, HTTP, and HTTP stop-first',
    probes: ['a:echo', 'web:digest'],
    keepers: ['kept'],
    chained: true,
    prepare: (project, turn) => bring(project, apply(three(turn))),
    command: (turn) => apply(three(turn + 1)),
  },
];

/** Writes the file that must outlive everything, into a volume or into the container's own layer. */
export async function writeKept(project: TestProject, server: string): Promise<void> {
  const container = project.container(server);
  const { HostConfig: host } = await container.inspect();
  const isVolume = (host.Mounts ?? []).some(({ Target }) => Target === dataFolder);
  const owner = { uid: 1000, gid: 1000 };
  const archive = pack();
  if (!isVolume) archive.entry({ name: dataFolder.slice(1), type: 'directory', mode: 0o755, ...owner });
  const name = isVolume ? keptFile : `${dataFolder.slice(1)}/${keptFile}`;
  archive.entry({ name, mode: 0o644, ...owner }, 'still here\n');
  archive.finalize();
  await container.putArchive(await buffer(archive), { path: isVolume ? dataFolder : '/' });
}

/** Those that the engine of the tests can make. */
export async function transitionsHere(): Promise<readonly Transition[]> {
  if (!(await onPodman())) return transitions;
  return transitions.filter(({ name, notOnPodman }) => {
    if (notOnPodman !== undefined) console.log(`left out on Podman: ${name}: ${notOnPodman}`);
    return notOnPodman === undefined;
  });
}
