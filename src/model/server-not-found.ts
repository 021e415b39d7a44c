import { LoomsError } from './errors.ts';
import type { ProjectName, ServerName } from './ids.ts';
import { nearest } from './values/nearest.ts';

/** `server-not-found` with the nearest name, and as data the one that is missing; for one among `deleted`, with what brings it back. */
export function serverNotFound(
  project: ProjectName,
  name: string,
  known: readonly string[],
  deleted: readonly ServerName[] = [],
): LoomsError {
  if (deleted.some((one) => one === name)) {
    return new LoomsError('server-not-found', `server ${name} of project ${project} was deleted`, {
      hint: `\`looms history ${name}\` shows what it was, \`looms rollback ${name}\` brings it back`,
    });
  }
  const near = nearest(name, known);
  const has = known.length === 0 ? `project ${project} has no servers` : `project ${project} has ${known.join(', ')}`;
  const others = '`looms get --all-projects` shows the others, --project names one of them';
  return new LoomsError('server-not-found', `no server ${name} in project ${project}`, {
    hint: near === undefined ? `${has}; ${others}` : `did you mean ${near}? ${has}`,
    about: { kind: 'missing', name },
  });
}
