import type { Diagnostic } from '../../model/diagnostics.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { seenJson } from '../../model/values/unseen.ts';
import type { Exported, Exporter, ExportSettings, Unlike } from '../../orchestrator/export.ts';
import { recordSpec } from '../../spec/record/record.ts';
import { writeDocuments } from '../../spec/write-documents.ts';
import type { LoadedSpecs } from '../plan/load-specs.ts';

/** Where what is declared can be written to, in the words of the command. */
export const exportTargets = ['kubernetes', 'compose'] as const;
export type ExportTarget = (typeof exportTargets)[number];

/** What of servers is otherwise there, as findings about their files; refused is an error. */
function findingOf(
  server: ServerName,
  unlike: Unlike,
  target: ExportTarget,
  locate: LoadedSpecs['locate'],
): Diagnostic {
  const place = locate(server, unlike.path);
  if (place === undefined) throw new LoomsError('internal', `nobody knows where ${server} was read`);
  const { position, length } = place;
  return {
    severity: unlike.kind === 'refused' ? 'error' : 'warning',
    code: unlike.kind === 'refused' ? `not-in-${target}` : `other-in-${target}`,
    message: unlike.message,
    position,
    length,
    path: unlike.path,
    ...(unlike.kind === 'refused' ? { hint: unlike.hint } : {}),
    related: [],
  };
}

/** What is exported, and what of it is otherwise there; nothing where something is refused. */
export type ServersExport = { readonly findings: readonly Diagnostic[]; readonly exported: Exported };

const nothing: Exported = { documents: [], secrets: [], images: [] };

/** Writes what is declared in the terms of another program. Asks no engine. */
export function exportServers(
  { servers, locate }: Pick<LoadedSpecs, 'servers' | 'locate'>,
  exporter: Exporter,
  target: ExportTarget,
  settings: Omit<ExportSettings, 'recordOf'>,
): ServersExport {
  const findings = servers.flatMap(({ spec }) =>
    exporter.unlike(spec, settings).map((one) => findingOf(spec.name, one, target, locate)),
  );
  if (findings.some(({ severity }) => severity === 'error')) return { findings, exported: nothing };
  const recordOf: ExportSettings['recordOf'] = ({ spec, image }) => recordSpec(spec, image.ref);
  return { findings, exported: exporter.write(servers, { ...settings, recordOf }) };
}

/** What has to be there before the objects are applied, a line each; none where nothing has. */
export function neededBefore({ secrets, images }: Exported): readonly string[] {
  // Servers with the same recipe have one image.
  const pushed = new Map(images.filter(({ here, there }) => here !== there).map(({ here, there }) => [here, there]));
  const lines = [
    ...[...pushed].map(([here, there]) => `docker tag ${here} ${there} && docker push ${there}`),
    ...secrets.flatMap(({ name, keys }) => [
      name === undefined
        ? 'in the environment of docker compose:'
        : `Secret ${name} in the namespace below, with these keys (its pods wait for it):`,
      ...keys.map((key) => `  ${key.name}: ${seenJson(JSON.stringify(key.value))}`),
    ]),
  ];
  return lines.length === 0 ? [] : ['Needed before:', ...lines];
}

/** The objects as text: YAML behind a comment that says what has to be there before, or JSON. */
export function exportText(exported: Exported, target: ExportTarget, form: 'yaml' | 'json'): string {
  if (form === 'yaml') {
    const before = neededBefore(exported).map((line) => `# ${line}\n`);
    return before.join('') + writeDocuments(exported.documents);
  }
  const [only] = exported.documents;
  const whole = target === 'compose' ? only : { apiVersion: 'v1', kind: 'List', items: exported.documents };
  return `${JSON.stringify(whole, null, 2)}\n`;
}
