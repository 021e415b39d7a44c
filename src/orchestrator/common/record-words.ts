import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';

type RuleWords = { readonly what: string; readonly hint: string };

/** What is said of a record that breaks a rule (`OrchestratorPorts.requireRules`); `holder`: what it stands on. */
export const brokenRecord = (holder: 'container' | 'Deployment'): RuleWords => ({
  what: `the record on a ${holder} breaks a rule of a spec file, as it is read today and here`,
  hint: 'an earlier looms may have written it, or somebody else; `looms apply` with the spec file replaces the server',
});

/** What is said of a generation that is gone back to, and whose record breaks a rule. */
export const brokenGeneration = (server: ServerName, generation: number): RuleWords => ({
  what: `the record of generation ${generation} of ${server} breaks a rule of a spec file, as it is read today and here`,
  hint: 'choose another generation with --to, or apply a spec file',
});

export const unreadableGeneration = (server: ServerName, generation: number): LoomsError =>
  new LoomsError('refused', `the record of generation ${generation} of ${server} cannot be read`, {
    hint: 'another version of looms may have written it: choose another generation with --to',
  });

/** Somebody else's run came between the plan of a rollback and its lock: what that brought is not what was to be undone. */
export const leftMeanwhile = (server: ServerName, generation: number): LoomsError =>
  new LoomsError('plan-stale', `server ${server} runs generation ${generation} by now, from another run`, {
    hint: `\`looms history ${server}\` shows what there is; roll back again if that is still what you want`,
  });
