import type { EngineDescription } from './engine.ts';
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

/** `server-not-found`; where an engine of several does not answer, and so may have it, `engine-unreachable`. */
export function serverMissing(
  engine: EngineDescription,
  ...[project, name, known, deleted = []]: Parameters<typeof serverNotFound>
): LoomsError {
  const away = engine.kind === 'several' ? Object.entries(engine.away) : [];
  const [first] = away;
  if (first === undefined || deleted.some((one) => one === name)) return serverNotFound(project, name, known, deleted);
  return new LoomsError(
    'engine-unreachable',
    `no engine that answers has server ${name}, and ${first[0]} does not answer`,
    {
      hint: '`looms doctor` says what keeps it from answering',
      detail: away.map(([silent, why]) => `${silent}: ${why}`),
    },
  );
}
