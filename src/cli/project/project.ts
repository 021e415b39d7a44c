import { LoomsError } from '../../model/errors.ts';
import { asProjectName, namePattern, type ProjectName } from '../../model/ids.ts';

/** A command's project, and whether somebody named it: pruning refuses the implicit default (docs/commands.md). */
export type ProjectChoice = {
  readonly name: ProjectName;
  readonly explicit: boolean;
  /** What the project file says where `LOOMS_PROJECT` names another one: worth a word, as nobody sees a variable. */
  readonly overridden?: string;
};

/** The project by `--project`, `LOOMS_PROJECT`, the project file, else `default`. Throws `usage` for a bad name. */
export function chooseProject(from: {
  readonly flag: string | undefined;
  readonly environment: string | undefined;
  readonly file: string | undefined;
}): ProjectChoice {
  const candidates = [
    { name: from.flag, origin: '--project' },
    { name: from.environment === '' ? undefined : from.environment, origin: 'LOOMS_PROJECT' },
    { name: from.file, origin: 'looms.yaml' },
  ];
  for (const { name, origin } of candidates) {
    if (name === undefined) continue;
    if (!namePattern.test(name)) {
      throw new LoomsError('usage', `"${name}" (${origin}) is no name for a project`, {
        hint: 'a project is named in lower-case letters, digits and dashes, at most 40, e.g. team-a',
      });
    }
    const { file } = from;
    const overridden = origin === 'LOOMS_PROJECT' && file !== undefined && file !== name ? { overridden: file } : {};
    return { name: asProjectName(name), explicit: true, ...overridden };
  }
  return { name: asProjectName('default'), explicit: false };
}
