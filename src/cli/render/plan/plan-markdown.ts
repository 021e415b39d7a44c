import { isInSync, type Plan } from '../../../model/plan.ts';
import { placeText } from '../../../model/source.ts';
import { plural } from '../../../model/values/words.ts';
import { displayed, visibleLines } from '../text.ts';
import { describeChange } from './plan-findings.ts';
import { describeEngine, signOf } from './plan-text.ts';
import { describeInSync, describeSupportReasons, describeTotals, fieldsOf, imageWorkOf, valuesOf } from './reasons.ts';

/** Text inside a table cell or a line: nothing in it may end the cell or become mark-up. */
export const cell = (text: string): string =>
  visibleLines(text)
    .replace(/[\\`*_<>[\]|~#@]/g, (character) =>
      character === '<' ? '&lt;' : character === '>' ? '&gt;' : `\\${character}`,
    )
    .replaceAll('\n', '<br>');

/** Text as code inside a table cell; a backtick in it gets a longer fence. */
export function code(text: string): string {
  if (text === '(none)') return text;
  const line = visibleLines(text).replaceAll('\n', '⏎').replaceAll('|', '\\|');
  const fence = '`'.repeat(Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length)) + 1);
  return fence.length > 1 ? `${fence} ${line} ${fence}` : `\`${line}\``;
}

const fieldTable = (fields: ReturnType<typeof fieldsOf>): string[] => [
  '| field | now | declared |',
  '|---|---|---|',
  ...fields.map((field) => `| ${code(field.path)} | ${code(valuesOf(field).from)} | ${code(valuesOf(field).to)} |`),
  '',
];

/** A plan as GitHub-flavoured Markdown, for a comment on a pull request. */
export function renderMarkdown(made: Plan, disabled: ReadonlySet<string>): string {
  const plan = displayed(made, ['from', 'to']);
  const title = `### looms: project \`${plan.project}\` on ${cell(describeEngine(plan))}`;
  const warnings = plan.warnings.map(
    (warning) =>
      `> **${warning.code}**${warning.server === undefined ? '' : ` ${cell(warning.server)}`}: ${cell(warning.message)}${warning.at === undefined ? '' : ` (${cell(placeText(warning.at))})`}`,
  );
  if (isInSync(plan)) {
    return [title, '', cell(describeInSync(plan, disabled)), ...(warnings.length > 0 ? ['', ...warnings] : [])].join(
      '\n',
    );
  }
  const changed = plan.changes.filter((change) => change.action !== 'unchanged');
  const drift =
    plan.drift.length === 0
      ? []
      : [
          '**Changed outside looms**',
          '',
          '| server | field | declared | found |',
          '|---|---|---|---|',
          ...plan.drift.flatMap(({ server, fields }) =>
            fields.map(
              (field) =>
                `| ${cell(server)} | ${code(field.path)} | ${code(valuesOf(field).to)} | ${code(valuesOf(field).from)} |`,
            ),
          ),
          '',
        ];
  const support = plan.support.map(
    (change) => `- ${change.action} ${change.kind} ${code(change.name)}: ${cell(describeSupportReasons(change))}`,
  );
  const images = imageWorkOf(plan).map(({ ref, action, why }) => `- ${action} image ${code(ref)}: ${cell(why)}`);
  const details = changed.flatMap((change) => {
    const fields = fieldsOf(change);
    return fields.length === 0
      ? []
      : [
          `<details><summary><b>${cell(change.server)}</b>: ${plural(fields.length, 'field')}</summary>`,
          '',
          ...fieldTable(fields),
          '</details>',
          '',
        ];
  });
  return [
    title,
    '',
    ...drift,
    ...(changed.length > 0
      ? [
          '| | server | |',
          '|---|---|---|',
          ...changed.map(
            (change) => `| \`${signOf(change).symbol}\` | ${cell(change.server)} | ${cell(describeChange(change))} |`,
          ),
          '',
        ]
      : []),
    ...details,
    ...(support.length + images.length > 0 ? [...support, ...images, ''] : []),
    ...(warnings.length > 0 ? [...warnings, ''] : []),
    describeTotals(plan),
  ].join('\n');
}
