import type { ProjectName } from '../../model/ids.ts';
import type { Palette } from '../terminal/palette.ts';
import { visible } from './text.ts';

/** Where a gateway listens (schemas/serve.schema.json). */
export type Serving = {
  readonly project: ProjectName;
  /** The path of its Unix socket. */
  readonly socket: string;
  /** Where it listens on TCP, when it does. */
  readonly url?: string;
  /** Where the token of TCP clients is. */
  readonly tokenFile?: string;
};

export function renderServing({ project, socket, url, tokenFile }: Serving, palette: Palette): string {
  return [
    `${palette.strong(`Serving project ${project}`)} until Ctrl-C`,
    `  socket  ${visible(socket)}`,
    ...(url === undefined ? [] : [`  http    ${url}/mcp/NAME for one server, ${url}/mcp for all`]),
    ...(tokenFile === undefined ? [] : [`  token   ${visible(tokenFile)}`]),
  ].join('\n');
}
