import type { PolicyExample, PolicyTest } from '../../app/plan/test-policy.ts';
import { plural } from '../../model/values/words.ts';
import type { Palette } from '../terminal/palette.ts';
import { shownFile, visible } from './text.ts';

const word = (severity: 'error' | 'warning'): string => (severity === 'error' ? 'error' : 'warn');

function renderExample(example: PolicyExample, palette: Palette): string[] {
  const { server, file, line, passed, broken, missing, unexpected } = example;
  const place = palette.quiet(`${visible(shownFile(file))}:${line}`);
  const says =
    broken.length === 0 ? 'allowed' : broken.map(({ rule, severity }) => `${rule}: ${word(severity)}`).join(', ');
  if (passed) return [`${palette.good('✓')} ${visible(server)}  ${place}  ${says}`];
  return [
    `${palette.error('✗')} ${visible(server)}  ${place}`,
    ...missing.map(({ rule, severity }) => `    ${rule}: ${word(severity)} was expected, and no policy says so`),
    ...unexpected.map(({ rule, severity, message, from }) => {
      const by = from === undefined ? '' : palette.quiet(` (${visible(from)})`);
      return `    ${rule}: ${word(severity)} was not expected: ${visible(message)}${by}`;
    }),
  ];
}

/** A line an example, with what is not as it expects below it, and a line of counts. */
export function renderPolicyTest({ examples, passed }: PolicyTest, palette: Palette): string {
  const good = examples.filter((one) => one.passed).length;
  const summary = passed
    ? palette.good(`${plural(examples.length, 'example')}, all as expected`)
    : palette.error(`${examples.length - good} of ${plural(examples.length, 'example')} not as expected`);
  return [...examples.flatMap((one) => renderExample(one, palette)), '', summary].join('\n');
}
