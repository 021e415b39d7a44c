import { userInfo } from 'node:os';
import { isAbsolute } from 'node:path';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { TrustQuestion } from '../app/ports.ts';
import { LoomsError } from '../model/errors.ts';
import { compose } from './compose/compose.ts';
import type { Composition, Settings } from './compose/composition.ts';
import type { commonFlags, placeFlags, trustFlags } from './flags.ts';
import { chooseProject, type ProjectChoice } from './project/project.ts';
import { visible } from './render/text.ts';
import { confirm } from './terminal/confirm.ts';
import type { Program } from './terminal/program.ts';
import { openTerminal, type Terminal } from './terminal/terminal.ts';

/** The flags that decide with what a command works; a command passes those it has. */
export type ContextFlags = Partial<InferredFlags<typeof commonFlags & typeof placeFlags & typeof trustFlags>> & {
  /** Spec files; of `init` the one that it writes. */
  readonly file?: readonly string[] | string | undefined;
  /** The spec file of one server (`mcp start`, `mcp restart`). */
  readonly config?: string | undefined;
  /** The file of a saved plan (`apply PLAN`); an argument in the command line. */
  readonly plan?: string | undefined;
};

/** Everything a command works with. */
export type CommandContext = Composition & {
  readonly terminal: Terminal;
  readonly project: ProjectChoice;
  /** `keep` of the project file. */
  readonly keep: number | undefined;
};

/** Opens the streams, reads the project file and makes the ports; no engine is contacted before a port is used. */
export async function openContext(
  flags: ContextFlags,
  given: Program,
  names: Pick<Settings, 'command' | 'managedBy' | 'goesOn'>,
): Promise<CommandContext> {
  const program = { ...given, environment: withHome(given.environment) };
  const { environment } = program;
  // What is asked comes through the terminal, which masks what the ports made here have looked up.
  let redactNow = (text: string): string => text;
  const terminal = openTerminal(program, {
    noColor: flags['no-color'] === true,
    redact: (text) => redactNow(text),
  });
  const composition = await compose({
    host: flags.host,
    context: flags.context,
    program,
    specPaths: [
      ...(typeof flags.file === 'string' ? [] : (flags.file ?? [])),
      ...(flags.config === undefined ? [] : [flags.config]),
    ],
    planFile: flags.plan,
    trustRecord: flags['trust-record'] === true,
    askForTrust: (question) => askForTrust(question, terminal, flags['trust-record'] === true),
    ...names,
  });
  const { projectFile } = composition;
  redactNow = composition.redact;
  const project = chooseProject({
    flag: flags.project,
    environment: environment.LOOMS_PROJECT,
    file: projectFile?.file.project,
  });
  if (project.overridden !== undefined) {
    terminal.notice(
      `note: project ${project.name} by LOOMS_PROJECT, not ${project.overridden} as looms.yaml says; --project NAME says so in the command`,
    );
  }
  await program.warm?.admit({ project: project.name, engine: await composition.engineAddress() });
  return {
    ...composition,
    terminal,
    project,
    keep: projectFile?.file.keep,
  };
}

/**
 * The environment, with the system's own word for the home folder where `HOME` is empty or relative: what looms keeps
 * must never land in the folder that it is started in. Throws `usage` where the system does not know one either.
 */
function withHome(environment: Program['environment']): Program['environment'] {
  const { HOME: home } = environment;
  if (home === undefined || isAbsolute(home)) return environment;
  try {
    return { ...environment, HOME: userInfo().homedir };
  } catch (error) {
    throw new LoomsError('usage', `HOME is ${home === '' ? 'empty' : `the relative path ${home}`}`, {
      hint: 'set it to a folder by its absolute path: looms keeps its state and secrets there',
      cause: error,
    });
  }
}

/**
 * Shows what a record of somebody else says, and then asks whether it may have its secrets; no where nobody can be
 * asked. One that was accepted in advance is shown all the same: nobody looks at it again.
 */
export async function askForTrust(
  { what, says }: TrustQuestion,
  terminal: Terminal,
  acceptsAll: boolean,
): Promise<boolean> {
  if (!acceptsAll && !terminal.canAsk) return false;
  const { noticePalette: palette } = terminal;
  terminal.notice(`${palette.strong(visible(what))}. What the record says, which nobody vouches for:`);
  for (const line of says) terminal.notice(`  ${palette.quiet('│')} ${visible(line)}`);
  if (!acceptsAll) {
    const question = 'Accept this record, and hand over these secrets?';
    return confirm(question, { yes: false, terminal, refusal: '', lookFirst: false });
  }
  terminal.notice('Accepted by --trust-record, and remembered.');
  return true;
}
