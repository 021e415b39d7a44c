import { LoomsError } from '../../model/errors.ts';
import type { ExecRequest } from '../../orchestrator/session-host.ts';

/**
 * Takes a process' folder and variables from its input, and then is that process: an exec in a pod has neither, and its
 * words stand in the audit log of the cluster. Its arguments: argv. Lines of its input: `@` a folder, `=` a variable as
 * `NAME=VALUE`, `+` a further line of that value, `.` the last one, behind which all is the process' own. It ends where the
 * input ends before. A shell reads such input byte by byte, and no text of it is ever read as a program.
 *
 * The process has its error output once more, as 9: containerd (1.6 to 2, `attachIO`) closes the input of an exec as soon as
 * one of its outputs is closed, and a session sends its error output to the log of its pod.
 */
export const prelude = `_looms_pair= _looms_end='
'
while IFS= read -r _looms_line; do
  case $_looms_line in
    @*) cd "\${_looms_line#@}" && unset OLDPWD || exit 126 ;;
    +*) _looms_pair=$_looms_pair$_looms_end\${_looms_line#+} ;;
    =*)
      [ -z "$_looms_pair" ] || export "$_looms_pair"
      _looms_pair=\${_looms_line#=} ;;
    .)
      [ -z "$_looms_pair" ] || export "$_looms_pair"
      exec "$@" 9>&2 ;;
  esac
done
exit 125`;

const isName = (text: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);

/** Whether a process needs the prelude. */
export const needsPrelude = ({ env = {}, workingDir }: ExecRequest): boolean =>
  workingDir !== undefined || Object.keys(env).length > 0;

/**
 * What the prelude reads. Throws `engine-unsupported` for what it cannot hand on: a name that is none for a shell, a
 * character that ends a text in C, a folder whose name goes over several lines.
 */
export function preludeInput({ env = {}, workingDir }: ExecRequest): string {
  const refused = (what: string): LoomsError =>
    new LoomsError('engine-unsupported', `a process in a pod cannot be given ${what}`);
  if (workingDir !== undefined && (!workingDir.startsWith('/') || /[\n\0]/.test(workingDir))) {
    throw refused(`the folder ${JSON.stringify(workingDir)}`);
  }
  const variables = Object.entries(env).map(([name, value]) => {
    if (!isName(name)) throw refused(`a variable that is called ${JSON.stringify(name)}`);
    // Without its value, which may be a secret.
    if (value.includes('\0')) throw refused(`the variable ${name}, whose value holds the character NUL`);
    return `=${name}=${value.replaceAll('\n', '\n+')}\n`;
  });
  return `${workingDir === undefined ? '' : `@${workingDir}\n`}${variables.join('')}.\n`;
}
