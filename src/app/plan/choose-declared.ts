import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { sourceText } from '../../model/source.ts';
import { suggestion } from '../../model/values/nearest.ts';
import { specHash } from '../../spec/record/record.ts';

const renamed = (server: DeclaredServer, name: ServerName): DeclaredServer => {
  const spec = { ...server.spec, name };
  return { ...server, spec, hash: specHash(spec, server.image.ref) };
};

/**
 * The server of a file that `mcp start NAME --config FILE` means: the one of that name, else the file's only one, under
 * that name, where no other is asked for (`alone`).
 * Throws `server-not-found` that lists the names, `refused` for one that its spec keeps stopped.
 */
export function chooseDeclared(
  servers: readonly DeclaredServer[],
  name: ServerName,
  { file, alone }: { readonly file: string; readonly alone: boolean },
): DeclaredServer {
  const [only, ...others] = servers;
  const exact = servers.find(({ spec }) => spec.name === name);
  const chosen = exact ?? (alone && only !== undefined && others.length === 0 ? renamed(only, name) : undefined);
  if (chosen === undefined) {
    const names = servers.map(({ spec }) => spec.name).sort();
    const has = names.length === 0 ? `${file} declares no server` : `${file} declares ${names.join(', ')}`;
    throw new LoomsError('server-not-found', `no server ${name} in ${file}`, {
      hint: suggestion(name, names) + has,
    });
  }
  if (!chosen.spec.enabled) {
    const place = sourceText({ file: chosen.source.file, line: chosen.source.line });
    throw new LoomsError('refused', `server ${name} is disabled: its spec (${place}) says mcp_server.enabled: false`, {
      hint: 'set it to true, or leave it out',
    });
  }
  return chosen;
}
