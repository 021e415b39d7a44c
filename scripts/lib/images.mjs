import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { call, callStreaming } from './engine-api.mjs';

const probeTimeoutMs = 10_000;
const silenceTimeoutMs = 60_000;

/**
 * @param {string} host
 * @param {string} tag `name:tag`
 * @returns {Promise<{ Id: string, Config: { Labels: Record<string, string> | null } } | undefined>} what the engine has under that tag
 */
export async function findImage(host, tag) {
  const { status, body } = await call(host, { path: `/images/${tag}/json` });
  return status === 200 ? body : undefined;
}

/**
 * Asks through the engine whether its registry answers, without fetching anything.
 *
 * @param {string} host
 * @param {string} tag an image that the registry surely has
 * @returns {Promise<string | undefined>} why not; nothing when it answers
 */
export async function whyNoRegistry(host, tag) {
  try {
    const { status, body } = await call(host, { path: `/distribution/${tag}/json`, timeoutMs: probeTimeoutMs });
    return status === 200 ? undefined : (body.message ?? `status ${status}`);
  } catch (error) {
    return error.message;
  }
}

/**
 * Pulls one image.
 *
 * @param {string} host
 * @param {string} tag `name:tag`
 * @throws when the registry refuses, or says nothing for a minute
 */
export async function pullImage(host, tag) {
  const [name, version] = tag.split(':');
  const silence = new AbortController();
  const expire = () =>
    silence.abort(new Error(`pull of ${tag}: the registry said nothing for ${silenceTimeoutMs / 1000} s`));
  let timer = setTimeout(expire, silenceTimeoutMs);
  const path = `/images/create?${new URLSearchParams({ fromImage: name, tag: version })}`;
  try {
    await callStreaming(host, { method: 'POST', path, signal: silence.signal }, () => {
      clearTimeout(timer);
      timer = setTimeout(expire, silenceTimeoutMs);
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Makes an image of one layer from the tar file of a root file system.
 *
 * @param {string} host
 * @param {string} tag `name:tag`
 * @param {string} file
 * @param {string[]} changes Dockerfile instructions (CMD, ENV, LABEL …)
 */
export async function importImage(host, tag, file, changes) {
  const [repo, version] = tag.split(':');
  const query = new URLSearchParams({ fromSrc: '-', repo, tag: version });
  for (const change of changes) query.append('changes', change);
  const headers = { 'Content-Type': 'application/x-tar' };
  await callStreaming(host, { method: 'POST', path: `/images/create?${query}`, headers, body: createReadStream(file) });
}

/**
 * Builds an image from a folder that holds a Dockerfile.
 *
 * @param {string} host
 * @param {string} tag `name:tag`
 * @param {string} dir
 * @throws with the build's last lines
 */
export async function buildImage(host, tag, dir) {
  const tar = spawn('tar', ['-C', dir, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const query = new URLSearchParams({ t: tag, networkmode: 'none', rm: 'true', forcerm: 'true' });
  const headers = { 'Content-Type': 'application/x-tar' };
  const lines = [];
  const keep = ({ stream }) => stream && lines.push(...stream.split('\n').filter((line) => line.trim() !== ''));
  try {
    await callStreaming(host, { method: 'POST', path: `/build?${query}`, headers, body: tar.stdout }, keep);
  } catch (error) {
    throw new Error([`build of ${tag}: ${error.message}`, ...lines.slice(-10)].join('\n    '), { cause: error });
  }
}
