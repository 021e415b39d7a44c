import type { DeclaredServer } from '../../../model/desired.ts';
import { shortId } from '../../../model/ids.ts';
import {
  type Change,
  type FieldDifference,
  isInSync,
  type OnEngine,
  type Plan,
  type PlanWarning,
} from '../../../model/plan.ts';
import { placeText } from '../../../model/source.ts';
import type { Paint, PaintName, Palette } from '../../terminal/palette.ts';
import { alike, othersOf } from '../alike.ts';
import { renderNotice } from '../error.ts';
import { displayed, displayWidth, padEnd, visible } from '../text.ts';
import {
  blockerHint,
  describeBlocker,
  describeInSync,
  describeReasons,
  describeRotation,
  describeSupportReasons,
  describeTotals,
  fieldsOf,
  imageWorkOf,
  setByText,
  valuesOf,
} from './reasons.ts';

export type PlanTextOptions = {
  readonly palette: Palette;
  /** Columns to fit the fields into. */
  readonly width: number;
  /** Also lists unchanged servers and every step. */
  readonly verbose: boolean;
  /** Servers that are declared to be kept stopped. */
  readonly disabled: ReadonlySet<string>;
};

/** Names of declared servers that shall not run. */
export const disabledServers = (servers: readonly DeclaredServer[]): ReadonlySet<string> =>
  new Set(servers.filter(({ spec }) => !spec.enabled).map(({ spec }) => spec.name));

const symbolWidth = 3;
const arrow = '→';

type Sign = { readonly symbol: string; readonly paint: PaintName; readonly verb: string };

/** The symbol of a change (docs/commands.md, "The plan on screen") with its colour and its verb. */
const signs: Readonly<Record<Exclude<Change['action'], 'replace'> | 'start-first' | 'stop-first', Sign>> = {
  unchanged: { symbol: '', paint: 'quiet', verb: 'unchanged' },
  create: { symbol: '+', paint: 'create', verb: 'create' },
  'start-first': { symbol: '+/-', paint: 'change', verb: 'replace without downtime' },
  'stop-first': { symbol: '-/+', paint: 'disrupt', verb: 'replace with downtime' },
  start: { symbol: '~', paint: 'change', verb: 'start' },
  stop: { symbol: '~', paint: 'change', verb: 'stop' },
  rename: { symbol: '~', paint: 'change', verb: 'rename' },
  'clean-up': { symbol: '~', paint: 'change', verb: 'clean up' },
  scale: { symbol: '~', paint: 'change', verb: 'scale' },
  remove: { symbol: '-', paint: 'remove', verb: 'remove' },
  blocked: { symbol: '!', paint: 'blocked', verb: 'blocked' },
};

export const signOf = (change: Change): Sign => signs[change.action === 'replace' ? change.order : change.action];

/** Fields with their values, a line each; values too long for a line stand under one another. */
export function fieldLines(
  fields: readonly FieldDifference[],
  indent: string,
  options: Pick<PlanTextOptions, 'palette' | 'width'>,
): string[] {
  const { palette, width } = options;
  const pathWidth = Math.min(60, Math.max(0, ...fields.map((field) => visible(field.path).length)));
  return fields.flatMap((field) => {
    const path = visible(field.path);
    const { from: old, to: next } = valuesOf(field);
    const by = setByText(field);
    const line = `${indent}${padEnd(path, pathWidth)}  ${old} ${arrow} ${next}${by}`;
    if (displayWidth(line) <= width && !line.includes('\n'))
      return [`${indent}${padEnd(path, pathWidth)}  ${palette.quiet(`${old} ${arrow}`)} ${next}${palette.quiet(by)}`];
    const block = (mark: string, value: string, paint: Paint) =>
      value.split('\n').map((text, index) => `${indent}  ${paint(`${index === 0 ? mark : ' '} ${text}`)}`);
    return [
      `${indent}${path}${palette.quiet(by)}`,
      ...block('-', old, palette.quiet),
      ...block('+', next, (text) => text),
    ];
  });
}

/** Where a project has several engines, on which of them something is done. */
const onEngine = ({ engine }: OnEngine): string => (engine === undefined ? '' : ` on ${visible(engine)}`);

function changeLines(change: Change, nameWidth: number, options: PlanTextOptions): string[] {
  const { palette } = options;
  const { symbol, verb, ...sign } = signOf(change);
  const paint = palette[sign.paint];
  const head = `${paint(padEnd(symbol, symbolWidth))} ${palette.strong(padEnd(change.server, nameWidth))}  `;
  switch (change.action) {
    case 'unchanged':
      return [head + palette.quiet(verb + onEngine(change))];
    case 'blocked': {
      const hint = blockerHint(change.why);
      return [
        `${head}${paint(verb)}${onEngine(change)}: ${describeBlocker(change.why)}`,
        ...(hint === undefined ? [] : [`${' '.repeat(symbolWidth + 3)}${palette.note('hint')}: ${hint}`]),
      ];
    }
    default: {
      // Drift stands above all changes already; repeating its fields here would bury what the spec changed.
      const fields = fieldsOf(change);
      const downtime =
        change.action === 'replace' && change.order === 'stop-first' ? palette.quiet(` (${visible(change.why)})`) : '';
      return [
        `${head}${paint(verb)}${onEngine(change)}: ${describeReasons(change)}${downtime}`,
        ...fieldLines(fields, ' '.repeat(symbolWidth + 3), options),
      ];
    }
  }
}

/** A plan goes from what is to what shall be; drift is told as it happened: what somebody made of ours. */
const asHappened = ({ from, to, ...field }: FieldDifference): FieldDifference => ({ ...field, from: to, to: from });

/** Servers of which the same is to be said as of the one above. */
const below = (names: readonly string[], options: PlanTextOptions): readonly string[] =>
  othersOf(names, ' '.repeat(symbolWidth + 3), options);
const serversBelow = (others: readonly { readonly server: string }[], options: PlanTextOptions): readonly string[] =>
  below(
    others.map(({ server }) => server),
    options,
  );

/** What makes two changes the same to whoever reads them. */
const sameChange = ({ server: _, container: __, ...change }: Change): string => JSON.stringify(change);

function driftLines(plan: Plan, options: PlanTextOptions): string[] {
  if (plan.drift.length === 0) return [];
  const { palette } = options;
  return [
    palette.strong('changed outside looms'),
    ...alike(plan.drift, ({ fields }) => JSON.stringify(fields)).flatMap(([drift, ...others]) => [
      `  ${palette.strong(drift.server)} ${palette.quiet(shortId(drift.container) + onEngine(drift))}`,
      ...fieldLines(drift.fields.map(asHappened), '      ', options),
      ...serversBelow(others, options),
    ]),
    '',
  ];
}

const supportSigns = { create: '+', replace: '-/+', start: '~', restore: '~', remove: '-' } as const;

function supportLines(plan: Plan, options: PlanTextOptions): string[] {
  const { palette } = options;
  const { create, change: changed, disrupt, remove } = palette;
  const paints = { create, replace: disrupt, start: changed, restore: changed, remove };
  const images = imageWorkOf(plan);
  const nameWidth = Math.max(
    0,
    ...plan.support.map(({ kind, name }) => kind.length + 1 + name.length),
    ...images.map(({ ref }) => 'image '.length + ref.length),
  );
  const groups = alike(plan.support, ({ name: _, ...change }) => JSON.stringify(change));
  return [
    ...groups.flatMap(([change, ...others]) => [
      `${paints[change.action](padEnd(supportSigns[change.action], symbolWidth))} ${padEnd(`${change.kind} ${visible(change.name)}`, nameWidth)}  ${paints[change.action](change.action)}${onEngine(change)}: ${describeSupportReasons(change)}`,
      ...fieldLines(
        change.reasons.flatMap((reason) => ('fields' in reason ? [...reason.fields] : [])),
        ' '.repeat(symbolWidth + 3),
        options,
      ),
      ...below(
        others.map(({ name }) => name),
        options,
      ),
    ]),
    ...images.map(
      ({ ref, action, why, ...image }) =>
        `${create(padEnd('+', symbolWidth))} ${padEnd(`image ${ref}`, nameWidth)}  ${create(action)}${onEngine(image)}: ${why}`,
    ),
  ];
}

function stepLines(plan: Plan, { palette }: PlanTextOptions): string[] {
  const number = new Map(plan.steps.map((step, index) => [step.id, index + 1]));
  const digits = String(plan.steps.length).length;
  return [
    palette.strong('steps'),
    ...plan.steps.map((step, index) => {
      const after = step.after.map((id) => number.get(id)).join(', ');
      const onFailure = step.onFailureOf?.map((id) => number.get(id)).join(' or ');
      const when = [
        ...(after === '' ? [] : [`after ${after}`]),
        ...(onFailure === undefined ? [] : [`only when ${onFailure} fails`]),
      ].join(', ');
      return `  ${String(index + 1).padStart(digits)}  ${visible(step.text)}${when === '' ? '' : palette.quiet(`  ${when}`)}`;
    }),
    '',
  ];
}

/** Warnings of a plan; of those that say the same of several servers, one. */
/** Where the field of a warning stands, behind its words. */
export const placed = ({ at }: Pick<PlanWarning, 'at'>): string =>
  at === undefined ? '' : ` (${visible(placeText(at))})`;

export const warningLines = (
  warnings: readonly PlanWarning[],
  options: Pick<PlanTextOptions, 'palette' | 'width'>,
): string[] =>
  alike(warnings, ({ code, message, server }) => JSON.stringify([code, message, server === undefined]), 2).flatMap(
    ([warning, ...others]) => [
      `${renderNotice('warning', warning, options.palette)}${placed(warning)}`,
      ...othersOf(
        others.map((one) => `${visible(one.server ?? '')}${placed(one)}`),
        '  ',
        options,
      ),
    ],
  );

/** How many rotations to come are named; of more, the first. */
const shownRotations = 3;

function rotationLines({ rotations }: Plan, palette: Palette): string[] {
  if (rotations.length === 0) return [];
  const soonest = rotations.toSorted((a, b) => ((a.at ?? '~') < (b.at ?? '~') ? -1 : 1));
  const more = rotations.length - shownRotations;
  const named = soonest.slice(0, shownRotations).map(describeRotation).join(', ');
  return [palette.quiet(`next rotation: ${named}${more > 0 ? `, and ${more} more (--json)` : ''}`)];
}

const engineNames = { docker: 'Docker', podman: 'Podman', kubernetes: 'Kubernetes' } as const;

/** The engine of a plan: `Docker 20.10.24 at unix:///var/run/docker.sock (default socket)`. */
export const describeEngine = ({ engine }: Plan): string =>
  engine.kind === 'several'
    ? `engines ${visible(engine.name)}`
    : visible(`${engineNames[engine.kind]} ${engine.version} at ${engine.endpoint}`);

/** What a plan is about, before anything else is said of it: its project and its engine. */
export const renderPlanTitle = (plan: Plan, palette: Palette): string =>
  `project ${palette.strong(visible(plan.project))} ${palette.quiet(`on ${describeEngine(plan)}`)}`;

/**
 * A plan for people (docs/commands.md, "The plan on screen"): its project and engine, what was changed by hand first, then one header a server
 * with its reason and the fields that differ, last the counts. An engine that agrees gets one line.
 */
export function renderPlan(made: Plan, options: PlanTextOptions): string {
  const plan = displayed(made, ['from', 'to']);
  const { palette, verbose } = options;
  const title = renderPlanTitle(plan, palette);
  const warnings = warningLines(plan.warnings, options);
  if (isInSync(plan) && !verbose) {
    return [
      title,
      ...(warnings.length > 0 ? ['', ...warnings, ''] : []),
      palette.good(describeInSync(plan, options.disabled)),
      ...rotationLines(plan, palette),
    ].join('\n');
  }
  const shown = plan.changes.filter((change) => verbose || change.action !== 'unchanged');
  const nameWidth = Math.max(0, ...shown.map((change) => change.server.length));
  const changes = alike(shown, sameChange).flatMap(([change, ...others]) => [
    ...changeLines(change, nameWidth, options),
    ...serversBelow(others, options),
  ]);
  const support = supportLines(plan, options);
  return [
    title,
    '',
    ...driftLines(plan, options),
    ...(changes.length > 0 ? [...changes, ''] : []),
    ...(support.length > 0 ? [...support, ''] : []),
    ...(verbose && plan.steps.length > 0 ? stepLines(plan, options) : []),
    ...(warnings.length > 0 ? [...warnings, ''] : []),
    describeTotals(plan),
    ...rotationLines(plan, palette),
  ].join('\n');
}
