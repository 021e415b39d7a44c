import type { ServerDetail, ServerStatus } from '../../../app/inspect/server-status.ts';
import { refusedTimes } from '../../../model/container/egress.ts';
import { type ContainerId, namesOfContainer, shortId } from '../../../model/ids.ts';
import { type SecretUse, writtenRef } from '../../../model/secrets/secret-names.ts';
import type { ServerState } from '../../../model/server-view.ts';
import { age, duration, shownTime } from '../../../model/times.ts';
import { plural } from '../../../model/values/words.ts';
import type { Paint, PaintName, Palette } from '../../terminal/palette.ts';
import { type Cell, renderTable } from '../table.ts';
import { displayed, visible, visibleBlock } from '../text.ts';
import { type Entry, renderGroups } from './groups.ts';

const paintNames: Readonly<Record<ServerState, PaintName>> = {
  running: 'good',
  asleep: 'quiet',
  disabled: 'quiet',
  stopped: 'quiet',
  pending: 'warning',
  paused: 'warning',
  restarting: 'error',
  dead: 'error',
};

/** The colour of a state. */
export const paintOfState = (state: ServerState, palette: Palette): Paint => palette[paintNames[state]];

const numeric = (value: number, paint: Paint, notable: boolean): Cell =>
  notable ? { text: String(value), paint } : String(value);

/** A state for people; a name that was given by hand is said. */
export const stateText = (server: ServerStatus): string =>
  withEngineHealth(server) + countText(server) + (server.renamed ? ` as ${visible(server.containerName)}` : '');

/** How many of its containers are ready where there shall be several. */
const countText = ({ replicas: { ready, asked } }: Pick<ServerStatus, 'replicas'>): string =>
  asked > 1 ? ` ${ready}/${asked}` : '';

/** A state with what the image's own check says, as `docker ps` does: `running (unhealthy)`. */
export const withEngineHealth = ({ state, engineHealth }: Pick<ServerStatus, 'state' | 'engineHealth'>): string =>
  engineHealth === null ? state : `${state} (${engineHealth})`;

/** The colour of a state: that of an error where the check of the image fails. */
export const paintOfStatus = (
  { state, engineHealth }: Pick<ServerStatus, 'state' | 'engineHealth'>,
  palette: Palette,
): Paint => (engineHealth === 'unhealthy' ? palette.error : paintOfState(state, palette));

/** An image with its hash cut to what tells it apart: `looms/node:36adf4e01e75`. */
export const shortImage = (image: string): string =>
  visible(image).replace(/([:@](?:sha256:)?[0-9a-f]{12})[0-9a-f]{20,}$/, '$1');
/** `specs/a.yaml:3@0123456789ab+dirty`, `specs/a.yaml:3@0123456789ab (Ann <ann@example.com>, not signed)`. */
export const shortSource = (source: string): string =>
  visible(source)
    .replace(/^-:/, '<stdin>:')
    .replace(/(@[0-9a-f]{12})[0-9a-f]{28,}(?=$|\+| \()/, '$1');

const secretText = ({ variable, refs }: SecretUse): string => {
  const from = refs.map(writtenRef);
  return `${variable} from ${from.join(', ')}`;
};

/**
 * Servers as a table; `wide` adds the container and where the spec came from, `withProject` the project of each.
 */
export function renderServers(
  servers: readonly ServerStatus[],
  { wide, withProject = false }: { readonly wide: boolean; readonly withProject?: boolean },
  palette: Palette,
): string {
  const withEngine = servers.some(({ engine }) => engine !== undefined);
  const headers = [
    ...(withProject ? ['PROJECT'] : []),
    'NAME',
    ...(withEngine ? ['ENGINE'] : []),
    'STATE',
    'GEN',
    'TRANSPORT',
    'RESTARTS',
    'AGE',
    'IMAGE',
  ];
  const rows = servers.map((server): Cell[] => [
    ...(withProject ? [server.project] : []),
    { text: server.name, paint: palette.strong },
    ...(withEngine ? [server.engine ?? '-'] : []),
    {
      text: stateText(server) + (server.others > 0 ? ` +${server.others}` : ''),
      paint: paintOfStatus(server, palette),
    },
    String(server.generation),
    server.transport,
    numeric(server.restarts, palette.warning, server.restarts > 0),
    age(server.ageMs),
    shortImage(server.image),
    ...(wide ? [shortId(server.container), shortSource(server.source ?? 'unknown')] : []),
  ]);
  return renderTable(wide ? [...headers, 'CONTAINER', 'SOURCE'] : headers, rows, palette);
}

/** `looms-team-fs 0123456789ab`; of a pod its name. */
export function containerText(
  { containerName, container }: { readonly containerName: string; readonly container: ContainerId },
  palette: Palette,
): string {
  const [name, id] = namesOfContainer(containerName, container);
  return id === undefined ? name : `${name} ${palette.quiet(id)}`;
}

const yesNo = (value: boolean): string => (value ? 'yes' : 'no');
const orNone = (items: readonly string[]): string => (items.length === 0 ? 'none' : items.map(visible).join(', '));

function toolsText({ include, exclude }: ServerDetail['tools']): string {
  const chosen = include === null ? 'all' : `only ${include.join(', ')}`;
  return exclude.length === 0 ? chosen : `${chosen}, but not ${exclude.join(', ')}`;
}

/** `1 CPU · 512 MiB · 100 processes · 300 s a call`. */
export const limitsText = ({ limits }: Pick<ServerDetail, 'limits'>): string =>
  [
    `${limits.cpuCores} CPU`,
    `${limits.memoryMiB} MiB`,
    // 0: the engine holds it to none.
    `${limits.pids > 0 ? limits.pids : 'any number of'} processes`,
    ...(limits.executionTimeoutSeconds === null ? [] : [`${duration(limits.executionTimeoutSeconds * 1000)} a call`]),
  ].join(' · ');

/** What a server can reach. */
export function networkText({ mode, names, hidesHost, egress, learns }: ServerDetail['network']): string {
  const way = egress.length === 0 ? 'no way out' : `a way out to ${egress.join(', ')}`;
  const out = learns ? `${way}, notes what else is tried` : way;
  const host = hidesHost ? ', the engine’s host is hidden' : ', but the engine’s host is within reach';
  const reach = mode === 'isolated' ? `${out}${host}` : '';
  return [mode, ...names, ...(reach === '' ? [] : [reach])].map(visible).join(' · ');
}

/** How many kinds of refusals are shown; JSON has all. */
const shownRefusals = 8;

function refusedText(refused: ServerDetail['refused']): string {
  if (refused === null) return '-';
  if (refused.length === 0) return 'nothing yet';
  const more = refused.length - shownRefusals;
  return [
    ...refused.slice(0, shownRefusals).map((one) => `${one.what}, ${refusedTimes(one)}`),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join('\n');
}

/** What a server with a forwarder was refused; nothing of others. */
export const refusedEntries = ({ network, refused }: Pick<ServerDetail, 'network' | 'refused'>): readonly Entry[] =>
  network.egress.length === 0 && !network.learns ? [] : [['refused', refusedText(refused)]];

/** Everything about one server, in groups of aligned lines. */
export function renderServer(made: ServerDetail, uses: readonly SecretUse[], palette: Palette): string {
  const server = displayed(made, ['description']);
  const secrets = displayed(uses);
  const groups: readonly (readonly Entry[])[] = [
    [
      [
        'state',
        paintOfStatus(server, palette)(stateText(server)) +
          (server.exitCode === null ? '' : ` (exit code ${server.exitCode})`),
      ],
      [
        'generation',
        `${server.generation}${server.others > 0 ? ` (and ${plural(server.others, 'more container')})` : ''}`,
      ],
      ['age', `${age(server.ageMs)} · ${palette.quiet(`created ${shownTime(server.createdAt)}`)}`],
      ...(server.startedAt === null ? [] : [['started', shownTime(server.startedAt)] as [string, string]]),
      ['restarts', String(server.restarts)],
      ...(server.rotatesAt === null ? [] : [['rotates', shownTime(server.rotatesAt)] as [string, string]]),
    ],
    [
      ['transport', server.transport],
      ['command', server.command.join(' ') || 'the image’s own'],
      ['tools', toolsText(server.tools)],
      ['secrets', secrets.length === 0 ? 'none' : secrets.map(secretText).join('\n')],
    ],
    [
      ['image', server.image],
      ['image id', server.imageId],
      ['container', containerText(server, palette)],
      ...(server.engine === undefined ? [] : [['engine', server.engine] as [string, string]]),
      ['source', (server.source ?? 'unknown').replace(/^-:/, '<stdin>:')],
      ['spec hash', server.specHash],
      ['made by', server.managedBy],
    ],
    [
      ['limits', limitsText(server)],
      ['network', networkText(server.network)],
      ...refusedEntries(server),
      ...(server.hostname === null ? [] : [['hostname', server.hostname] as [string, string]]),
      ['user', server.user],
      ['root file system', server.security.readOnlyRoot ? 'read-only' : 'writable'],
      ['capabilities', `drop ${orNone(server.security.capDrop)} · add ${orNone(server.security.capAdd)}`],
      ['no new privileges', yesNo(server.security.noNewPrivileges)],
      [
        'mounts',
        server.mounts.length === 0
          ? 'none'
          : server.mounts
              .map((mount) => `${mount.source} → ${mount.target}${mount.readOnly ? ' (read-only)' : ''}`)
              .join('\n'),
      ],
    ],
  ];
  return [
    `${palette.strong(server.name)} ${palette.quiet(`in project ${server.project}`)}`,
    ...(server.description === null ? [] : [`  ${visibleBlock(server.description)}`]),
    '',
    renderGroups(groups, palette),
  ].join('\n');
}
