import { LoomsError } from '../model/errors.ts';
import type { ProjectName } from '../model/ids.ts';
import { nearest } from '../model/nearest.ts';

/** `server-not-found`, with the nearest name, for a name that no server of the project has. */
export function serverNotFound(project: ProjectName, name: string, known: readonly string[]): LoomsError {
  const near = nearest(name, known);
  const has = known.length === 0 ? `project ${project} has no servers` : `project ${project} has ${known.join(', ')}`;
  return new LoomsError('server-not-found', `no server ${name} in project ${project}`, {
    hint: near === undefined ? has : `did you mean ${near}? ${has}`,
  });
}
