import { pack } from 'tar-stream';
import { buildHint, decisiveLine } from '../../../image/build-failure.ts';
import { proxiesWithPassword } from '../../../image/proxies.ts';
import { externalImages, storesArgument } from '../../../image/user-dockerfile.ts';
import type { ContextFile, Recipe } from '../../../model/container/recipe.ts';
import { LoomsError } from '../../../model/errors.ts';
import { messageOf } from '../../../model/failure.ts';
import { asContainerId } from '../../../model/ids.ts';
import { label } from '../../model/labels.ts';
import type { ImageFacts } from '../../model/shape.ts';
import type { BuildSettings, ProgressSink } from '../../port.ts';
import { ask, post, remove } from '../connection/ask.ts';
import { orNull, poll, unlessInUse } from '../connection/call.ts';
import { type Client, unsignalled } from '../connection/connection.ts';
import { engineTime } from '../connection/engine-clock.ts';
import { statusOf } from '../connection/errors.ts';
import { removeContainer } from '../containers/containers.ts';
import { imageNamed, inspectContainer, inspectImage } from '../containers/inspected.ts';
import { type BuildLog, followBuild } from './build-log.ts';
import { findImage, type ImageClient } from './find.ts';
import { pullImage } from './pull.ts';
import { parseReference } from './reference.ts';
import { followStream } from './stream.ts';

/** How long an image is tried to be removed that the engine says is in use: a busy one lets go of what it cut late. */
const lettingGoMs = 3_000;

/** Lines of a failed command's output that are shown, besides the decisive one. */
const shownLines = 20;

/**
 * Builds a recipe with the engine's classic builder, which needs no session with us and which every engine still has.
 * An image that is there already under the recipe's name is returned at once. Progress counts the Dockerfile's steps.
 * Whatever ends a build early (a failing command, a cut connection, the signal), nothing of it stays on the engine.
 *
 * @throws LoomsError `image-build-failed` for a Dockerfile that would store a proxy's password, and with the failing command and its exit code, and in `detail` the decisive line
 *   of its output, then the last 20; those of `pullImage` for the base image; `interrupted`; `engine-…`
 */
export async function buildImage(
  client: ImageClient,
  recipe: Recipe,
  settings: BuildSettings,
  onProgress: ProgressSink,
): Promise<ImageFacts> {
  const present = await findImage(client, recipe.ref);
  if (present !== null) return present;
  const storing = storesArgument(recipe.dockerfile, proxiesWithPassword(settings.proxies));
  if (storing !== undefined) throw passwordInImage(storing);

  // Pulled by us and not by the build: with the user's credentials, progress in bytes, and errors that have a code.
  const bases = recipe.base === undefined ? externalImages(recipe.dockerfile) : [recipe.base];
  for (const base of bases) {
    if ((await imageNamed(client, base)) !== null) continue;
    if (!settings.mayPull) throw absentBase(base);
    await pullImage(client, base, recipe.platform === undefined ? {} : { platform: recipe.platform }, onProgress);
  }
  await runUntilKept(client, recipe, settings, onProgress);

  const built = await findImage(client, recipe.ref);
  if (built === null) {
    throw new LoomsError('image-build-failed', `the engine says that it built ${recipe.ref}, but does not have it`);
  }
  return built;
}

/** How often a build is begun that its engine loses. */
const builds = 3;

/**
 * Whether an engine lost what a build had made so far, and no instruction failed: Docker (28) with the containerd image store,
 * where somebody removes any image in that moment. Its words are all that it says of that.
 */
const wasLost = (error: unknown): boolean =>
  error instanceof LoomsError &&
  error.code === 'image-build-failed' &&
  /: .*(?:failed to export layer|lease does not exist|mount callback failed on)/.test(error.message);

/** Throws what `run` throws; what the engine lost is built once more, from where its cache has it. */
async function runUntilKept(...build: Parameters<typeof run>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run(...build);
    } catch (error) {
      if (!wasLost(error) || tries === builds) throw error;
    }
  }
}

const passwordInImage = (instruction: string): LoomsError =>
  new LoomsError(
    'image-build-failed',
    `\`${instruction}\` of the Dockerfile would store the password of the proxy in the image or its history`,
    { hint: 'leave it out: the commands of a build have HTTP_PROXY and its kin without it' },
  );

const absentBase = (base: string): LoomsError =>
  new LoomsError(
    'image-not-found',
    `the build starts from ${base}, which is not on this engine, and pull_policy is never`,
    { hint: `docker pull ${base}, or set pull_policy: missing` },
  );

/** All entries get this time, so that the engine's build cache sees the same context in the same files. */
const epoch = new Date(0);

/** A recipe's context as a tar archive, its Dockerfile included. All belongs to root, whatever the user's id here. */
function contextTar(recipe: Recipe): AsyncIterable<Buffer> {
  const archive = pack();
  const dockerfile: ContextFile = {
    path: recipe.dockerfilePath,
    content: new TextEncoder().encode(recipe.dockerfile),
    mode: 0o644,
  };
  const others = recipe.files.filter((file) => file.path !== dockerfile.path);
  for (const { path, content, mode, linkTarget } of [dockerfile, ...others]) {
    const header = { name: path, mode, mtime: epoch, uid: 0, gid: 0 };
    if (linkTarget === undefined) archive.entry(header, Buffer.from(content));
    else archive.entry({ ...header, type: 'symlink', linkname: linkTarget });
  }
  archive.finalize();
  return archive as AsyncIterable<Buffer>;
}

async function run(
  client: ImageClient,
  recipe: Recipe,
  settings: BuildSettings,
  onProgress: ProgressSink,
): Promise<void> {
  const what = `build ${recipe.ref}`;
  // Ages are never measured against our own clock. An engine that tells no time: none of its images is removed.
  const startedAt = engineTime((await client.info.read(client)).SystemTime) || Number.POSITIVE_INFINITY;
  const build = followBuild();
  const query = {
    dockerfile: recipe.dockerfilePath,
    rm: true,
    forcerm: true,
    nocache: !recipe.useBuildCache,
    version: '1',
    buildargs: settings.proxies,
    labels: { ...settings.labels, ...(recipe.provesShell ? { [label.hasShell]: 'true' } : {}) },
    ...(recipe.platform === undefined ? {} : { platform: recipe.platform }),
  };
  const request = { ...post('/build', query), archive: contextTar(recipe) };
  let cause: unknown;
  try {
    await followStream(client, what, request, (entry) => {
      const report = build.accept(entry);
      if (report !== null) onProgress(report);
    });
    const { built, failure } = build.log();
    if (failure === undefined && built !== undefined) {
      await nameResult(unsignalled(client), recipe.ref, built, () =>
        removeRemains(unsignalled(client), build.log(), startedAt),
      );
      return;
    }
    if (failure === undefined)
      cause = new LoomsError('engine-rejected', `the engine broke off while it should ${what}`);
  } catch (error) {
    cause = error;
  }
  const failure = buildError(recipe, build.log(), cause);
  try {
    await removeRemains(unsignalled(client), build.log(), startedAt);
  } catch (error) {
    // Why the build ended matters more than what could not be tidied up after it.
    throw new LoomsError(failure.code, failure.message, {
      ...(failure.hint === undefined ? {} : { hint: failure.hint }),
      detail: [...failure.detail, `not removed: ${messageOf(error)}`],
      cause: failure,
    });
  }
  throw failure;
}

/**
 * Gives a finished image its name, unless someone else built the same recipe meanwhile: containers may run theirs, and
 * would look changed if the name moved on to ours. A process that dies before this leaves its image to the engine's
 * build cache, from which the next build takes it.
 */
async function nameResult(client: Client, ref: string, id: string, removeOurs: () => Promise<void>): Promise<void> {
  if ((await inspectImage(client, ref)) !== null) return removeOurs();
  const { name, version } = parseReference(ref);
  const tag = post(`/images/${id}/tag`, { repo: name, tag: version });
  await ask(client, `name image ${ref}`, tag);
  // Someone may have given it at the same moment: then the name went on to theirs.
  const ours = await inspectImage(client, id);
  if (ours !== null && (ours.RepoTags ?? []).length === 0) await removeOurs();
}

function buildError(recipe: Recipe, log: BuildLog, cause: unknown): LoomsError {
  const { failure } = log;
  if (failure === undefined) {
    const error = cause instanceof LoomsError ? cause : new LoomsError('internal', String(cause), { cause });
    // 400: the Dockerfile itself is not understood; the engine's words name its line.
    if (statusOf(error) !== 400) return error;
    return new LoomsError('image-build-failed', error.message, { hint: 'correct the Dockerfile', cause });
  }
  if (failure.exitCode === undefined) {
    // Podman learns only at an instruction that there is none like it.
    const isUnknown = /^Build error: /.test(failure.message);
    return new LoomsError(
      'image-build-failed',
      `building ${recipe.ref} failed at ${log.instruction}: ${failure.message}`,
      {
        hint: isUnknown ? 'correct the Dockerfile' : 'the line above names what this step of the build needs',
        detail: log.output.slice(-shownLines),
      },
    );
  }
  const decisive = decisiveLine(log.output);
  const tail = log.output.slice(-shownLines).filter((line) => line !== decisive);
  return new LoomsError(
    'image-build-failed',
    `building ${recipe.ref} failed: \`${commandOf(log.instruction)}\` ended with exit code ${failure.exitCode}`,
    { hint: buildHint(log.output), detail: decisive === undefined ? tail : [decisive, ...tail] },
  );
}

const commandOf = (instruction: string): string => instruction.replace(/^RUN\s+/i, '');

/**
 * Removes what a build that did not succeed left: the container of its last step, and the images of its steps. Only
 * what this build made goes: an id is taken from the build's output, which a RUN step can forge, so what is older than the
 * build stays, and so do a container that has the digits for its name and an image that has a tag.
 *
 * @param startedAt when the build began, on the engine's clock, ms since the epoch
 * @throws LoomsError `engine-…`
 */
async function removeRemains(client: Client, log: BuildLog, startedAt: number): Promise<void> {
  const last = log.containers.at(-1);
  // That of a cut build is killed and removed by the engine itself, which is waited for.
  const ran = last === undefined ? null : await inspectContainer(client, last);
  if (last !== undefined && ran?.Id.startsWith(last) === true && Date.parse(ran.Created) >= startedAt)
    await removeContainer(client, asContainerId(ran.Id));
  for (const id of [...log.madeImages].reverse()) {
    const image = await inspectImage(client, id);
    if (image === null || (image.RepoTags ?? []).length > 0 || Date.parse(image.Created) < startedAt) continue;
    // With `noprune` the parents stay, which may be someone else's build cache; ours come next in this loop.
    const removal = remove(`/images/${id}`, { noprune: true });
    const isGone = async () =>
      (await unlessInUse(orNull(ask(client, `remove image ${id}`, removal)))) ? true : undefined;
    await poll(isGone, { everyMs: 100, limitMs: lettingGoMs });
  }
}
