import type { EngineDescription, SeveralDescription, SingleDescription } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import type { Answered, Answers, Members } from './members.ts';

/**
 * Under which what is kept of servers is kept on this machine, wherever they are: it stays the same when engines come and go.
 * A project's name tells them apart.
 */
export const idOfSeveral = 'several';

/** An engine of several is no several itself. */
export function singleOf(engine: EngineDescription): SingleDescription {
  if (engine.kind === 'several') throw new LoomsError('internal', `engine ${engine.name} is several`);
  return engine;
}

/**
 * What tells an engine from others. The id alone does not: that of Engine 20.10 is of a key of its machine, which two engines of
 * one machine share, and which a copy of the machine has as well.
 */
const identityOf = (engine: EngineDescription): string =>
  JSON.stringify(engine.kind === 'docker' ? [engine.id, engine.name, engine.stateFolder] : [engine.id]);

/**
 * One engine under two names would have its servers moved from itself to itself, and its lock waited for by who holds it.
 * Engines that do not answer are not compared, nor clusters where one user may read `kube-system` and the other may not.
 * Throws `spec-invalid`.
 */
export function requireDistinct(answered: readonly Answered<EngineDescription>[]): void {
  for (const [first, second] of Map.groupBy(answered, ({ value }) => identityOf(value)).values()) {
    if (first === undefined || second === undefined) continue;
    const names = `${first.member.name} and ${second.member.name}`;
    throw new LoomsError('spec-invalid', `engines ${names} of looms.yaml are one engine: ${first.value.id}`, {
      hint: 'take one of the two names out of engines',
      detail: [first, second].map(({ member, value }) => `${member.name}: ${value.endpoint}`),
    });
  }
}

/** What engines say of themselves, as one. Throws what `requireDistinct` throws. */
export function describeSeveral(
  { all }: Pick<Members, 'all'>,
  { answered, silent }: Answers<EngineDescription>,
): SeveralDescription {
  requireDistinct(answered);
  const engines = answered.map(({ value }) => singleOf(value));
  const sum = (of: (engine: SingleDescription) => number): number => engines.reduce((total, one) => total + of(one), 0);
  const same = (of: (engine: SingleDescription) => string): string => [...new Set(engines.map(of))].join(', ');
  const every = (of: (engine: SingleDescription) => boolean): boolean => engines.every(of);
  const modules = engines.map((one) => one.securityModules);
  return {
    kind: 'several',
    id: idOfSeveral,
    name: all.map(({ name }) => name).join(', '),
    version: same((one) => one.version),
    apiVersion: same((one) => one.apiVersion),
    os: same((one) => one.os),
    architecture: same((one) => one.architecture),
    endpoint: answered.map(({ member, value }) => `${member.name}: ${value.endpoint}`).join('; '),
    canLimitStorage: every((one) => one.canLimitStorage),
    canLimitSwap: every((one) => one.canLimitSwap),
    canLimitProcesses: every((one) => one.canLimitProcesses),
    canHideHost: every((one) => one.canHideHost),
    securityModules: (modules[0] ?? []).filter((name) => modules.every((of) => of.includes(name))),
    cpus: sum((one) => one.cpus),
    memoryBytes: sum((one) => one.memoryBytes),
    engines: Object.fromEntries(answered.map(({ member, value }) => [member.name, singleOf(value)])),
    away: Object.fromEntries(silent.map(({ member, failure }) => [member.name, failure.message])),
  };
}
