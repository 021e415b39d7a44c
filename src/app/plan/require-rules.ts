import type { DesiredServer } from '../../model/desired.ts';
import { type ErrorCode, LoomsError } from '../../model/errors.ts';
import { checkRules } from '../../spec/record/record-rules.ts';
import { type HostLook, lookAtHostPaths } from './load-specs.ts';

/** Where a spec came from that no file was read for, and what to do when a rule forbids it. */
type RuleWords = { readonly code: ErrorCode; readonly what: string; readonly hint: string };

/**
 * Rules of files that a recorded or saved spec breaks, links followed; the words may hold foreign text. Such a spec holds
 * host paths as they are mounted: one that a link leads elsewhere by now is another one than was looked at, and than
 * policies are held against.
 */
export async function brokenRules(ports: HostLook, spec: DesiredServer): Promise<readonly string[]> {
  const checked = checkRules(spec);
  if (!checked.allowed) return checked.why;
  const { findings } = await lookAtHostPaths(ports, [checked.server]);
  const errors = findings.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  return [...errors, ...(await movedPaths(ports, spec))];
}

/** Host paths of a spec, which were without links when it was read, that a link leads elsewhere by now, in words. */
async function movedPaths({ engineIsLocal, files }: HostLook, { mounts }: DesiredServer): Promise<readonly string[]> {
  const sources = mounts.flatMap(({ type, source }) => (type === 'bind' ? [source] : []));
  if (sources.length === 0 || !(await engineIsLocal())) return [];
  const found = sources.map(async (source) => {
    const real = await files.realPath(source);
    return real === undefined || real === source
      ? []
      : [`${source} is not what was looked at: a link leads to ${real} now`];
  });
  return (await Promise.all(found)).flat();
}

/** Looks once more where host paths lead: a server that may write above one can put a link there. Throws `refused`. */
export async function requireSamePaths(ports: HostLook, specs: readonly DesiredServer[]): Promise<void> {
  const found = specs.map(async (spec) => (await movedPaths(ports, spec)).map((why) => `${spec.name}: ${why}`));
  const detail = (await Promise.all(found)).flat();
  if (detail.length === 0) return;
  throw new LoomsError('refused', 'a host path leads elsewhere than when the specs were read', {
    detail,
    hint: 'look who put the link there, and apply again; nothing was changed',
  });
}

/** Holds recorded or saved specs, which anybody may have written, against the rules of files. Throws `words.code`. */
export async function requireRules(ports: HostLook, specs: readonly DesiredServer[], words: RuleWords): Promise<void> {
  const detail: string[] = [];
  for (const spec of specs) {
    detail.push(...(await brokenRules(ports, spec)).map((why) => `${spec.name}: ${why}`));
  }
  if (detail.length > 0) throw new LoomsError(words.code, words.what, { detail, hint: words.hint });
}
