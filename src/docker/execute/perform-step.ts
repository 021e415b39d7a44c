import type { Recipe } from '../../model/container/recipe.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import type { Failure, StepNote } from '../../model/events.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { type SecretPrints, writeSecretPrints } from '../../model/secrets/secret-prints.ts';
import { duration } from '../../model/times.ts';
import { defined } from '../../model/values/defined.ts';
import type { GateOutcome } from '../../orchestrator/port.ts';
import { label } from '../model/labels.ts';
import { resolveShape } from '../model/resolve-shape.ts';
import type { ImageFacts } from '../model/shape.ts';
import type { BuildSettings, CallOptions, Engine, ProgressSink } from '../port.ts';
import type { Operation, PlannedContainer, Target } from '../steps.ts';

/** What steps need besides the engine; decisions are not among it. */
export type StepEnvironment = {
  readonly engine: Engine;
  readonly project: ProjectName;
  readonly managedBy: string;
  readonly recipes: ReadonlyMap<string, Recipe>;
  readonly buildSettings: Omit<BuildSettings, 'mayPull'>;
  /** Holds a container against the gate; `signal` ends the wait. */
  readonly gate: (server: ServerName, container: ContainerId, options: CallOptions) => Promise<GateOutcome>;
  /** What is written into an HTTP server's container, and prints of the secrets in it where this machine has a key. */
  readonly containerSecrets: (
    server: ServerName,
  ) => Promise<{ readonly values: Readonly<Record<string, string>>; readonly prints?: SecretPrints }>;
  /** Images known so far, by reference; pulls and builds add to it. */
  readonly images: Map<string, ImageFacts>;
  /** Waits until `probe` says true, at most `limitMs`; false when time ran out. */
  readonly waitUntil: (probe: () => Promise<boolean>, limitMs: number, options: CallOptions) => Promise<boolean>;
  /** A failure as it may be kept on the engine: what it is and the last lines of its detail, with secrets masked. */
  readonly recordable: (failure: Failure) => string;
  /** Keeps the log of a server's container; why it could not, for people. A removal goes on in any case. */
  readonly keepLog: (container: ContainerId, options: CallOptions) => Promise<string | undefined>;
  /** Seconds between SIGTERM and SIGKILL when a container is stopped. */
  readonly stopGraceSeconds: number;
};

/** A step that did what it should; a gate that refused is a value, everything else that fails is thrown. */
type Performed =
  | ({ readonly ok: true; readonly container?: ContainerId } & StepNote)
  | { readonly ok: false; readonly failure: Failure };

const done: Performed = { ok: true };

/**
 * Looks in a row without a session after which a container counts as drained. One is not enough: an HTTP session has
 * moments between its requests, and who has just chosen this container has not begun yet.
 */
const idleLooksWanted = 3;

/** Whether an image has a shell is asked only now: finding out takes a writing call, which planning must not make. */
async function lookedInto(
  facts: ImageFacts | undefined,
  env: StepEnvironment,
  options: CallOptions,
): Promise<ImageFacts | undefined> {
  if (facts === undefined || facts.hasShell !== null) return facts;
  const looked = await env.engine.findImage(facts.ref, options);
  if (looked === null) return undefined;
  env.images.set(facts.ref, looked);
  return looked;
}

async function createContainer(
  planned: PlannedContainer,
  server: ServerName | undefined,
  env: StepEnvironment,
  options: CallOptions,
): Promise<Performed> {
  // What keeps a server's files is made of the image that the server has, under whatever name, so it goes by its id.
  const known = env.images.get(planned.imageRef);
  const facts =
    known === undefined && planned.role === 'data'
      ? ((await env.engine.findImage(planned.imageRef, options)) ?? undefined)
      : await lookedInto(known, env, options);
  if (facts === undefined) {
    throw new LoomsError('image-not-found', `image ${planned.imageRef} is not on this engine`, {
      hint: 'apply again: the image was there when the plan was made',
    });
  }
  const shape = resolveShape(planned.template, facts);
  const usesSecrets = planned.template.pidOne.kind === 'server' && planned.template.pidOne.secretsFile;
  const secrets = usesSecrets && server !== undefined ? await env.containerSecrets(server) : undefined;
  const prints = secrets?.prints;
  const container = await env.engine.createContainer(
    {
      name: planned.name,
      shape,
      ownLabels: {
        ...planned.ownLabels,
        ...(prints === undefined ? {} : { [label.secrets]: writeSecretPrints(prints) }),
      },
      ownTargets: planned.freshVolumes,
      ...defined({ platform: planned.platform }),
      ...(secrets === undefined ? {} : { secrets: secrets.values }),
    },
    options,
  );
  return { ok: true, container };
}

async function pullImage(
  operation: Extract<Operation, { op: 'pull-image' }>,
  env: StepEnvironment,
  onProgress: ProgressSink,
  options: CallOptions,
): Promise<Performed> {
  const { ref, platform, fallbackToLocal } = operation;
  try {
    env.images.set(ref, await env.engine.pullImage(ref, defined({ platform }), onProgress, options));
    return done;
  } catch (error) {
    const isOver = !(error instanceof LoomsError) || error.code === 'interrupted';
    if (isOver || !fallbackToLocal || !env.images.has(ref)) throw error;
    return { ok: true, code: 'local-image-used', note: `${error.message}; the local image is used` };
  }
}

async function buildImage(
  { ref, mayPull }: Extract<Operation, { op: 'build-image' }>,
  env: StepEnvironment,
  onProgress: ProgressSink,
  options: CallOptions,
): Promise<Performed> {
  const recipe = env.recipes.get(ref);
  if (recipe === undefined) throw new LoomsError('internal', `the plan builds ${ref}, but its recipe is not known`);
  env.images.set(ref, await env.engine.buildImage(recipe, { ...env.buildSettings, mayPull }, onProgress, options));
  return done;
}

async function removeImage(
  { ref, image }: Extract<Operation, { op: 'remove-image' }>,
  env: StepEnvironment,
  options: CallOptions,
): Promise<Performed> {
  const id = image ?? env.images.get(ref)?.id;
  if (id === undefined || (await env.engine.removeBuiltImage(id, ref, options))) return done;
  return { ok: true, code: 'image-stays', note: `image ${ref} stays: something else on the engine needs it` };
}

async function awaitListening(
  { name, addresses, timeoutSeconds }: Extract<Operation, { op: 'await-listening' }>,
  id: ContainerId,
  { engine, waitUntil }: StepEnvironment,
  options: CallOptions,
): Promise<Performed> {
  const isListening = async (): Promise<boolean> => {
    const run = await engine.containerRunning(id, options);
    if (run?.running !== true) return false;
    const open = new Set(await engine.listeningOn(id, options));
    return addresses.every((address) => open.has(address));
  };
  if (await waitUntil(isListening, timeoutSeconds * 1000, options)) return done;
  const lines = await engine.tailLog(id, 10, options);
  return {
    ok: false,
    failure: {
      code: 'container-start-failed',
      message: `${name} does not listen on ${addresses.join(', ')}`,
      detail: lines.map(({ text }) => text),
    },
  };
}

/** What a record of a generation says. */
const recordOf = (
  { record, outcome }: Extract<Operation, { op: 'record-generation' }>,
  answered: Failure | undefined,
  env: StepEnvironment,
) => ({ record, outcome, ...(answered === undefined ? {} : { failure: env.recordable(answered) }) });

/** What the steps before this one came to. */
type StepPast = {
  readonly resolve: (target: Target) => ContainerId;
  readonly answered: Failure | undefined;
};

/**
 * Does one step; `resolve` tells the container of a target, which an earlier step may have made, and `answered` is the
 * failure that a way back answers. A gate that refuses is a value; everything else that fails is thrown, as the engine port throws it.
 */
export async function performStep(
  operation: Operation,
  server: ServerName | undefined,
  { resolve, answered }: StepPast,
  env: StepEnvironment,
  onProgress: ProgressSink,
  options: CallOptions,
): Promise<Performed> {
  const { engine } = env;
  const labels = { [label.project]: env.project, [label.managedBy]: env.managedBy };
  switch (operation.op) {
    case 'create-network':
      await engine.createNetwork(operation.network, labels, options);
      return done;
    case 'remove-network':
      if (await engine.removeNetwork(operation.network, options)) return done;
      return {
        ok: true,
        code: 'network-stays',
        note: `network ${operation.name} stays: the engine still counts endpoints on it, of containers that are gone, and lets go of it when it is restarted`,
      };
    case 'pull-image':
      return pullImage(operation, env, onProgress, options);
    case 'build-image':
      return buildImage(operation, env, onProgress, options);
    case 'create-container':
      return createContainer(operation.container, server, env, options);
    case 'carry-files':
      for (const path of operation.paths) {
        await engine.copyPath(operation.from, resolve(operation.target), path, options);
      }
      return done;
    case 'start-container':
      await engine.startContainer(resolve(operation.target), options);
      return done;
    case 'unpause-container':
      await engine.unpauseContainer(resolve(operation.target), options);
      return done;
    case 'gate': {
      if (server === undefined) throw new LoomsError('internal', 'a gate without a server');
      const outcome = await env.gate(server, resolve(operation.target), options);
      return outcome.passed ? { ok: true, note: outcome.note } : { ok: false, failure: outcome.failure };
    }
    case 'await-listening':
      return awaitListening(operation, resolve(operation.target), env, options);
    case 'drain': {
      const id = resolve(operation.target);
      let idleLooks = 0;
      const drained = await env.waitUntil(
        async () => {
          idleLooks = (await engine.countSessions(id, options)) === 0 ? idleLooks + 1 : 0;
          return idleLooks >= idleLooksWanted;
        },
        operation.seconds * 1000,
        options,
      );
      return drained
        ? done
        : {
            ok: true,
            code: 'sessions-cut',
            note: `sessions were still open after ${duration(operation.seconds * 1000)}`,
          };
    }
    case 'stop-container':
      await engine.stopContainer(resolve(operation.target), env.stopGraceSeconds, options);
      return done;
    case 'remove-container': {
      const id = resolve(operation.target);
      const note = await env.keepLog(id, options);
      await engine.removeContainer(id, options);
      return note === undefined ? done : { ok: true, code: 'log-not-kept', note };
    }
    case 'rename-container':
      await engine.renameContainer(resolve(operation.target), operation.to, options);
      return done;
    case 'record-generation':
      if (await engine.recordGeneration(resolve(operation.target), recordOf(operation, answered, env), options)) {
        return done;
      }
      return {
        ok: true,
        code: 'generation-not-recorded',
        note: `${operation.name} cannot be gone back to: it, or its image, is no longer on the engine`,
      };
    case 'remove-image':
      return removeImage(operation, env, options);
    case 'remove-volume':
      if (await engine.removeVolume(env.project, operation.name, options)) return done;
      return {
        ok: true,
        code: 'volume-stays',
        note: `volume ${operation.name} stays: a container has it, or it is not of this project`,
      };
    default:
      return assertNever(operation);
  }
}

/** Operations that take something away or give a name on: before each, the lock must still be ours. */
export const isDestructive = (operation: Operation): boolean =>
  operation.op === 'stop-container' ||
  operation.op === 'remove-container' ||
  operation.op === 'rename-container' ||
  operation.op === 'remove-network' ||
  operation.op === 'remove-image' ||
  operation.op === 'remove-volume';
