import { existsSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { nearPath } from '../../app/plan/near-path.ts';
import type { Diagnostic, Position } from '../../model/diagnostics.ts';
import { LoomsError } from '../../model/errors.ts';
import { codeOf } from '../../model/failure.ts';
import { ancestors } from '../project/project-file.ts';

/** The machine as far as reports need it. */
type ReportPlace = {
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** GitHub drops a step's summary above this ("Adding a job summary": 1 MiB). */
const summaryBytes = 1024 * 1024;

/** How reports call a file: relative to the checkout (`GITHUB_WORKSPACE`, `.git`) with slashes, else as it is. */
export function checkoutPaths({ workingDirectory, environment }: ReportPlace): (file: string) => string {
  const workspace = environment.GITHUB_WORKSPACE;
  const isInWorkspace =
    workspace !== undefined && isAbsolute(workspace) && !isAbsolute(nearPath(workingDirectory, workspace));
  const root = isInWorkspace ? workspace : ancestors(workingDirectory).find((one) => existsSync(join(one, '.git')));
  return (file) => {
    if (file === '-' || root === undefined) return file;
    const near = nearPath(resolve(workingDirectory, file), root);
    return isAbsolute(near) ? file : near.replaceAll('\\', '/');
  };
}

/** Findings with their files named as `called` names them. */
export function diagnosticsIn(diagnostics: readonly Diagnostic[], called: (file: string) => string): Diagnostic[] {
  const at = (position: Position): Position => ({ ...position, file: called(position.file) });
  return diagnostics.map((one) => ({
    ...one,
    position: at(one.position),
    related: one.related.map((related) => ({ ...related, position: at(related.position) })),
  }));
}

/** A report, and where it goes besides stdout. */
type Publication = {
  /** `--output-file`, as written; undefined: no file. */
  readonly file: string | undefined;
  readonly report: string;
  /** As Markdown, for `GITHUB_STEP_SUMMARY`. */
  readonly summary: () => string;
};

/** Writes a report, masked by the caller, to its file and to a GitHub step's page. Throws `file-not-writable`. */
export async function publishReport(place: ReportPlace, { file, report, summary }: Publication): Promise<void> {
  if (file !== undefined) await write(file, () => writeFile(resolve(place.workingDirectory, file), `${report}\n`));
  const page = place.environment.GITHUB_STEP_SUMMARY;
  if (page) await write(page, () => appendFile(page, `${bounded(summary())}\n`));
}

async function write(file: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const code = codeOf(error) ?? error;
    throw new LoomsError('file-not-writable', `the report ${file} cannot be written (${code})`, {
      hint: 'name a file in a folder that is there and that you may write to',
      cause: error,
    });
  }
}

/** As much as the page takes, in whole lines; what was cut is said. */
function bounded(markdown: string): string {
  if (Buffer.byteLength(markdown) < summaryBytes) return markdown;
  const said = '\n\n… cut: GitHub takes 1 MiB for a step; the log and `--output-file` have all of it';
  const kept = Buffer.from(markdown).subarray(0, summaryBytes - Buffer.byteLength(said) - 1);
  return kept.subarray(0, kept.lastIndexOf('\n')).toString('utf8') + said;
}
