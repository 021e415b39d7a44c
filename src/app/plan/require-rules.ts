import type { DesiredServer } from '../../model/desired.ts';
import { type ErrorCode, LoomsError } from '../../model/errors.ts';
import { checkRules } from '../../spec/record/record-rules.ts';
import { type HostLook, lookAtHostPaths } from './load-specs.ts';

/** Where a spec came from that no file was read for, and what to do when a rule forbids it. */
type RuleWords = { readonly code: ErrorCode; readonly what: string; readonly hint: string };

/** Rules of files that a recorded or saved spec breaks, links followed; the words may hold foreign text. */
export async function brokenRules(ports: HostLook, spec: DesiredServer): Promise<readonly string[]> {
  const checked = checkRules(spec);
  if (!checked.allowed) return checked.why;
  const { findings } = await lookAtHostPaths(ports, [checked.server]);
  return findings.filter(({ severity }) => severity === 'error').map(({ message }) => message);
}

/** Holds recorded or saved specs, which anybody may have written, against the rules of files. Throws `words.code`. */
export async function requireRules(ports: HostLook, specs: readonly DesiredServer[], words: RuleWords): Promise<void> {
  const detail: string[] = [];
  for (const spec of specs) {
    detail.push(...(await brokenRules(ports, spec)).map((why) => `${spec.name}: ${why}`));
  }
  if (detail.length > 0) throw new LoomsError(words.code, words.what, { detail, hint: words.hint });
}
