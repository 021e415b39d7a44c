import { readStill } from '../../app/watch/read-still.ts';
import { type AlertSettings, noAlerts } from '../../model/alerts.ts';
import { LoomsError } from '../../model/errors.ts';
import type { Policies } from '../../model/policy.ts';
import type { FoundProjectFile } from './project-file.ts';

type Rules = { readonly projectFile: FoundProjectFile | undefined; readonly policies: Policies };

/** As they are by now. Each throws what keeps them from being used. */
type RulesAnew = {
  /** Throws `file-not-found` where that of the start is gone: none, or the next one upwards, may have fewer rules. */
  readonly readProjectFile: () => Promise<FoundProjectFile | undefined>;
  readonly readPolicies: () => Promise<Policies>;
  readonly readAlerts: () => Promise<AlertSettings>;
};

/**
 * The rules of files for a program that runs on; `first` is what they were at the start. A file that is gone, or empty for
 * a moment while it is written, never stands for fewer rules (docs/security.md): what is new is believed once it reads the
 * same twice.
 */
export function rulesAnew(
  { projectFile: begun, policies }: Rules,
  {
    readProject,
    readPolicyFiles,
    pause,
  }: {
    readonly readProject: () => Promise<FoundProjectFile | undefined>;
    readonly readPolicyFiles: () => Promise<Policies>;
    readonly pause: (ms: number) => Promise<void>;
  },
): RulesAnew {
  const readProjectFile: RulesAnew['readProjectFile'] = async () => {
    const found = await readProject();
    if (begun === undefined || found?.folder === begun.folder) return found;
    throw new LoomsError('file-not-found', `the looms.yaml of ${begun.folder} is gone or not the nearest any more`, {
      hint: 'put it back, or start looms anew',
    });
  };
  const { signal } = new AbortController();
  const still = <T>(first: T, read: () => Promise<T>): (() => Promise<T>) => {
    const digestOf = (one: T): string => JSON.stringify(one);
    let known = digestOf(first);
    return async () => {
      const found = await readStill({ pause }, { read, digestOf, known, signal });
      known = digestOf(found);
      return found;
    };
  };
  const alertsOf = (found: FoundProjectFile | undefined): AlertSettings => found?.file.alerts ?? noAlerts;
  return {
    readProjectFile,
    readPolicies: still(policies, async () => allPolicies(await Promise.all([readProjectFile(), readPolicyFiles()]))),
    readAlerts: still(alertsOf(begun), async () => alertsOf(await readProjectFile())),
  };
}

/** Of the project file, of the user and of the machine. */
export const allPolicies = ([projectFile, ofMachine]: readonly [FoundProjectFile | undefined, Policies]): Policies => [
  ...(projectFile === undefined ? [] : [projectFile.file.policy]),
  ...ofMachine,
];
