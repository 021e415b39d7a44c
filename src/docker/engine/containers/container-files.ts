import { basename, dirname } from 'node:path/posix';
import { LoomsError } from '../../../model/errors.ts';
import { shortId } from '../../../model/ids.ts';
import { secretsFilePath } from '../../model/resolve-shape.ts';
import { ask, askBytes, get, put } from '../connection/ask.ts';
import { orNull } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';
import { firstFile, packTar, type TarEntry } from './tar.ts';

export type Owner = { readonly uid: number; readonly gid: number };

/** The end point of a container's files. */
export const archive = (container: string): string => `/containers/${container}/archive`;

/** Unpacks entries into a directory of a container, running or not. Throws `engine-not-found` when either is gone. */
export async function putFiles(
  client: Client,
  container: string,
  directory: string,
  entries: readonly TarEntry[],
): Promise<void> {
  const what = `write to ${directory} of container ${shortId(container)}`;
  await ask(client, what, put(archive(container), { path: directory }, packTar(entries)));
}

/** The content of a file in a container, running or not; null when the container or the file is not there. */
export async function readContainerFile(client: Client, container: string, path: string): Promise<Buffer | null> {
  const what = `read ${path} of container ${shortId(container)}`;
  const bytes = await orNull(askBytes(client, what, get(archive(container), { path })));
  return bytes === null ? null : (firstFile(bytes) ?? null);
}

const isNumber = (text: string): boolean => /^\d+$/.test(text);

/**
 * The numeric owner that a user of a shape means in a container: `uid`, `uid:gid`, or names looked up in its
 * `/etc/passwd` and `/etc/group`. A number without a group gets the group of its passwd entry, else 0, as the engine
 * does. Throws `engine-rejected` for a name that the image does not know.
 */
export async function ownerOf(client: Client, container: string, user: string): Promise<Owner> {
  const [name = '', group] = user.split(':');
  if (isNumber(name) && group !== undefined && isNumber(group)) return { uid: Number(name), gid: Number(group) };
  if (user === '') return { uid: 0, gid: 0 };
  const read = async (path: string): Promise<readonly (readonly string[])[]> => {
    const text = (await readContainerFile(client, container, path))?.toString('utf8') ?? '';
    return text.split('\n').map((line) => line.split(':'));
  };
  const unknown = (what: string, path: string): LoomsError =>
    new LoomsError('engine-rejected', `the image has no ${what} in ${path}`, {
      hint: 'give security.user by number, e.g. 1000:1000',
    });
  const entry = (await read('/etc/passwd')).find(([known, , uid]) => (isNumber(name) ? uid : known) === name);
  if (entry === undefined && !isNumber(name)) throw unknown(`user "${name}"`, '/etc/passwd');
  const uid = isNumber(name) ? Number(name) : Number(entry?.[2]);
  if (group === undefined) return { uid, gid: Number(entry?.[3] ?? 0) };
  if (isNumber(group)) return { uid, gid: Number(group) };
  const groupEntry = (await read('/etc/group')).find(([known]) => known === group);
  if (groupEntry === undefined) throw unknown(`group "${group}"`, '/etc/group');
  return { uid, gid: Number(groupEntry[2]) };
}

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Lines that a POSIX shell reads back as exactly these variables. Throws `spec-invalid` for what no shell can hold. */
export function secretsScript(secrets: Readonly<Record<string, string>>): string {
  return Object.entries(secrets)
    .map(([name, value]) => {
      if (!variableName.test(name)) {
        throw new LoomsError('spec-invalid', `"${name}" cannot be the name of an environment variable`, {
          hint: 'use letters, digits and _',
        });
      }
      if (value.includes('\0')) throw new LoomsError('spec-invalid', `the secret for ${name} holds a NUL character`);
      return `export ${name}='${value.replaceAll("'", "'\\''")}'\n`;
    })
    .join('');
}

/** Writes the secrets file, readable by `owner` only, on the volume that `createCall` mounted for it. */
export const putSecrets = (
  client: Client,
  container: string,
  secrets: Readonly<Record<string, string>>,
  owner: Owner,
): Promise<void> =>
  putFiles(client, container, dirname(secretsFilePath), [
    { name: basename(secretsFilePath), mode: 0o400, ...owner, content: Buffer.from(secretsScript(secrets)) },
  ]);
