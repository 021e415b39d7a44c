import { isAbsolute, join } from 'node:path';

/** The folder of looms in the XDG state folder; a relative path of the variable is ignored. */
export function stateFolder(environment: Readonly<Record<string, string | undefined>>, homedir: () => string): string {
  const wanted = environment.XDG_STATE_HOME;
  const state =
    wanted !== undefined && isAbsolute(wanted) ? wanted : join(environment.HOME || homedir(), '.local', 'state');
  return join(state, 'looms');
}
