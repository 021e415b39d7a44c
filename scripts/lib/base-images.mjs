import { findImage, pullImage, whyNoRegistry } from './images.mjs';
import { platform } from './platform.mjs';
import { baseOf, isOutdatedStandIn, makeStandIn, prepareForStandIns } from './stand-ins.mjs';
import { withWorkDir } from './work-dir.mjs';

/** What `examples/quickstart.yaml` builds on. */
export const quickstartImages = ['debian:bookworm-slim', 'node:24-slim'];

/** What all examples and tests build on. */
export const allImages = [...quickstartImages, 'haproxy:3.0', 'postgres:17', 'python:3.11-slim', 'python:3.13-slim'];

/**
 * Makes sure that the engine has these images: pulls the ones that are missing, or makes stand-ins
 * for them where no registry answers (see `stand-ins.mjs`).
 *
 * @param {string} host the engine, in the form of `DOCKER_HOST`
 * @param {string[]} tags
 * @param {(note: string) => void} note is told each thing that takes time
 * @returns {Promise<{ tag: string, how: 'there' | 'pulled' | 'stand-in' }[]>}
 * @throws when an image can neither be pulled nor made here
 */
export async function ensureBaseImages(host, tags, note = () => {}) {
  const missing = await missingImages(host, tags);
  const results = tags.filter((tag) => !missing.includes(tag)).map((tag) => ({ tag, how: 'there' }));
  if (missing.length === 0) return results;

  const noRegistry = await whyNoRegistry(host, missing[0]);
  if (noRegistry === undefined) {
    note(`pulling ${missing.join(', ')}`);
    await Promise.all(missing.map((tag) => pullImage(host, tag)));
    return [...results, ...missing.map((tag) => ({ tag, how: 'pulled' }))];
  }
  note(`no registry answers (${noRegistry})`);
  await makeStandIns(host, missing, note);
  return [...results, ...missing.map((tag) => ({ tag, how: 'stand-in' }))];
}

async function makeStandIns(host, tags, note) {
  const machine = platform();
  if (machine.os !== 'debian' || !machine.root) {
    throw new Error(
      [
        `These images are missing, and stand-ins can be made on Debian and Ubuntu as root only: ${tags.join(', ')}.`,
        `Make the engine reach a registry, or bring them yourself: docker pull ${tags[0]}; or docker load.`,
      ].join('\n'),
    );
  }
  await prepareForStandIns();
  const bases = await missingImages(
    host,
    tags.map(baseOf).filter((base) => base !== undefined),
  );
  const wanted = [...new Set([...bases, ...tags])];
  note(`making stand-ins for ${wanted.join(', ')} from Debian's and npm's packages`);
  await withWorkDir(async (workDir) => {
    const jobs = new Map();
    const ready = (tag) => jobs.get(tag) ?? Promise.resolve();
    // Bases come first in `wanted`, so that each job finds the one that it waits for.
    for (const tag of wanted) jobs.set(tag, makeStandIn({ host, tag, workDir, ready }));
    const outcomes = await Promise.allSettled(jobs.values());
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  });
}

async function missingImages(host, tags) {
  const found = await Promise.all(tags.map((tag) => findImage(host, tag)));
  return tags.filter((_, index) => found[index] === undefined || isOutdatedStandIn(found[index]));
}
