import type { DesiredServer } from '../desired.ts';
import { installedArgv, packageRunOf, writtenArgv } from './package-run.ts';

/** The argv of a server, or of the parts of it that the image decides. */
export type ArgvTemplate = {
  /** Absent: the image's own entrypoint. */
  readonly entrypoint?: readonly string[];
  /** Absent: the image's own command. */
  readonly command?: readonly string[];
};

/** A server's argv as far as its spec says it; a package that is installed runs instead of being fetched. */
export function argvTemplateOf(spec: DesiredServer): ArgvTemplate {
  const run = packageRunOf(writtenArgv(spec));
  const installed = run && installedArgv(run, spec.image);
  if (installed !== undefined) return { entrypoint: installed.slice(0, 1), command: installed.slice(1) };
  const { command, args } = spec.mcp;
  const entrypoint = command !== undefined ? [...(spec.entrypoint ?? []), command] : spec.entrypoint;
  return {
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(args.length > 0 ? { command: args } : {}),
  };
}
