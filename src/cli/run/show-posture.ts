import { lookAtPosture, type ServerPosture } from '../../app/inspect/posture/posture.ts';
import type { ServerName } from '../../model/ids.ts';
import type { CommandContext } from '../context.ts';
import { exitCode } from '../exit-codes.ts';
import { renderPosture } from '../render/servers/posture.ts';

/** Looks at the posture of servers, all where none is named, and shows it: for `posture` and `describe --posture`. */
export async function showPosture(
  { ports, project, terminal }: CommandContext,
  names: readonly ServerName[],
  answer: (text: () => string) => void,
): Promise<readonly ServerPosture[]> {
  const { servers, notices } = await lookAtPosture(ports, { project: project.name, names });
  for (const notice of notices) terminal.note(notice);
  const { palette, width } = terminal.table;
  if (servers.length > 0) answer(() => renderPosture(servers, palette, width));
  else terminal.notice(`No server in project ${project.name}.`);
  if (servers.some(({ kept }) => !kept)) process.exitCode = exitCode.gateFailed;
  return servers;
}
