import {
  bearerFor,
  type Client,
  type Entry,
  type EntryTarget,
  entryFor,
  readEntry,
  refersToTokens,
  startsLooms,
} from '../../clients/client.ts';
import { type EntryPath, editText, entryAt, isSame, printEntry, spliceOf, undoSplice } from '../../clients/edit.ts';
import { LoomsError, withHint } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import { serverOf } from '../../model/values/joined-names.ts';
import { present } from '../../model/values/present.ts';
import { type ClientFile, changeClientFile, clientFilePath, readClientFile, writeClientFile } from './client-file.ts';
import type { ConnectPorts, EntryProof } from './ports.ts';

/** The variable that entries take the token from. */
export const tokenVariable = 'LOOMS_TOKEN';

/** Which entry is wanted, and where. */
export type ConnectRequest = {
  readonly client: Client;
  readonly project: ProjectName;
  /** Absent: all servers as one. */
  readonly server: ServerName | undefined;
  /** What the entry is called. */
  readonly name: string;
  /** The file of the folder that is worked in, which others have as well. */
  readonly inProject: boolean;
  /** Takes the place of an entry that looms did not write. */
  readonly force: boolean;
  /** How `looms mcp stdio` is started from anywhere on this machine. */
  readonly start: Extract<EntryTarget, { kind: 'stdio' }>;
  /** Settings of looms.yaml that such a command does not have where it is started in another folder: `serve.policy`. */
  readonly unheld: readonly string[];
  /** Absent: a command is started. */
  readonly http?: { readonly url: string; readonly tokenFile: string; readonly wasAsked: boolean };
};

/** What became of the entry (schemas/connect.schema.json). */
export type Connected = {
  readonly client: string;
  readonly file: string;
  readonly entry: string;
  readonly action: 'created' | 'updated' | 'unchanged' | 'removed' | 'absent';
  readonly transport?: 'stdio' | 'http';
  /** What was found by a call made from the entry. */
  readonly proof?: EntryProof;
  /** What the client's user has to see to. */
  readonly note?: string;
};

/** The text of an entry, for people who put it into the file themselves. */
export type PrintedEntry = Pick<Connected, 'client' | 'file' | 'entry' | 'note'> & { readonly text: string };

const pathOf = ({ client, name }: ConnectRequest): EntryPath => [client.key, name];

/**
 * Writes the entry and proves it. Throws `server-not-found` for a server that the project does not have, `refused` for an
 * entry that is not ours, and what a failing proof throws.
 */
export async function connectClient(ports: ConnectPorts, request: ConnectRequest): Promise<Connected> {
  const { client, name, force } = request;
  const path = pathOf(request);
  // An engine may take its time, in which the client goes on writing its file.
  await requireServer(ports, request);
  const { file, there, same, target } = await changeClientFile(
    () => fileOf(ports, request),
    async (file) => {
      const access = file.text === undefined ? undefined : await ports.files.accessOf(file.real);
      const target = targetOf(ports, request, access);
      const entry = entryFor(client, name, target);
      const there = entryAt(file.value, path);
      const same = isSame(there, entry);
      const ours = there !== undefined && (await isOurs(ports, request, file, there));
      if (there !== undefined && !same && !ours && !force) {
        throw notOurs(file, name, '--as NAME gives this one another name, --force puts it in the place of that one');
      }
      const isDone = same || (await put(ports, request, file, { entry, ours }));
      return isDone ? { file, there, same, target } : undefined;
    },
  );
  const proof = await prove(ports, request, file.shown);
  return {
    client: client.id,
    file: file.shown,
    entry: name,
    action: same ? 'unchanged' : there === undefined ? 'created' : 'updated',
    transport: target.kind,
    proof,
    ...noteOf(
      proof.tools === 0 && `no server of project ${request.project} has tools now: does one run?`,
      entryNote(ports, request, target),
    ),
  };
}

/** The entry's text alone. A token that would have to stand in it is left to whoever writes it down. */
export async function printClientEntry(ports: ConnectPorts, request: ConnectRequest): Promise<PrintedEntry> {
  const { client, name, inProject } = request;
  const target = targetOf({ readToken: (file) => `TOKEN OF ${file}` }, request, undefined);
  return {
    client: client.id,
    file: await clientFilePath(ports, client, inProject),
    entry: name,
    text: printEntry(client.format, pathOf(request), entryFor(client, name, target)),
    ...noteOf(entryNote(ports, request, target)),
  };
}

/** Takes the entry out again; where nothing else changed, the file is as it was before. Throws `refused` for one not ours. */
export async function disconnectClient(ports: ConnectPorts, request: ConnectRequest): Promise<Connected> {
  const { client, name, force } = request;
  const path = pathOf(request);
  return changeClientFile(
    () => fileOf(ports, request),
    async (file): Promise<Connected | undefined> => {
      const there = entryAt(file.value, path);
      const answer = { client: client.id, file: file.shown, entry: name };
      if (there === undefined || file.text === undefined) return { ...answer, action: 'absent' };
      if (!force && !(await isOurs(ports, request, file, there))) {
        throw notOurs(file, name, '--force takes it out all the same');
      }
      const record = await ports.records.read(file.real, path);
      const isMade = record?.made === true && file.text === record.splice.inserted;
      const after = isMade ? undefined : withoutEntry(client, file.text, path, record);
      if (!isMade && after === undefined) throw cannotEdit(file.shown, 'take the entry out by hand');
      if (!(await writeClientFile(ports, file, after))) return undefined;
      await ports.records.forget(file.real, path);
      return { ...answer, action: 'removed' };
    },
  );
}

/** A gateway that was named by its address may be that of another engine, and its proof tells. */
async function requireServer(ports: ConnectPorts, { project, server, http }: ConnectRequest): Promise<void> {
  if (server === undefined || http?.wasAsked === true) return;
  const known = await ports.servers();
  if (!known.includes(server)) throw serverNotFound(project, server, known);
}

const fileOf = async (ports: ConnectPorts, { client, inProject }: ConnectRequest): Promise<ClientFile> =>
  readClientFile(ports, client, await clientFilePath(ports, client, inProject));

/** Whether looms wrote an entry: it is as it was written, or what it starts is looms. */
export async function isOurs(
  ports: ConnectPorts,
  { client, name }: Pick<ConnectRequest, 'client' | 'name'>,
  { real }: ClientFile,
  entry: unknown,
): Promise<boolean> {
  if (startsLooms(client, entry)) return true;
  return isSame((await ports.records.read(real, [client.key, name]))?.entry, entry);
}

function targetOf(
  { readToken }: Pick<ConnectPorts, 'readToken'>,
  { client, inProject, start, http }: ConnectRequest,
  access: { readonly mode: number } | undefined,
): EntryTarget {
  if (http === undefined) return start;
  if (client.remote === undefined) {
    if (!http.wasAsked) return start;
    throw new LoomsError('usage', `${client.title} knows no HTTP servers`, { hint: 'leave --url away' });
  }
  if (!refersToTokens(client)) {
    if (!http.wasAsked) return start;
    const refused = (why: string): LoomsError =>
      new LoomsError('refused', `${client.title} can only be told the token itself, ${why}`, {
        hint: 'leave --url away: then it starts `looms mcp stdio`, which needs no token',
      });
    if (inProject) throw refused('which is not for a file that others have');
    if (access !== undefined && (access.mode & 0o077) !== 0) throw refused('and others may read its file');
  }
  const value = (): string => {
    const found = readToken(http.tokenFile);
    if (found !== undefined) return found;
    throw new LoomsError('file-not-found', `there is no token in ${http.tokenFile}`, {
      hint: '`looms serve --listen` makes it; --token-file FILE names another one',
    });
  };
  const bearer = bearerFor(client, { file: http.tokenFile, variable: tokenVariable, value, shared: inProject });
  return { kind: 'http', url: http.url, bearer };
}

/** False where the file is no longer as it was read. */
async function put(
  ports: ConnectPorts,
  request: ConnectRequest,
  file: ClientFile,
  { entry, ours }: { readonly entry: Entry; readonly ours: boolean },
): Promise<boolean> {
  const { client } = request;
  const path = pathOf(request);
  const before = file.text ?? '';
  const earlier = ours ? await ports.records.read(file.real, path) : undefined;
  // What was there before looms came is what `--undo` goes back to.
  const base = (ours ? withoutEntry(client, before, path, earlier) : undefined) ?? before;
  const made = file.text === undefined || (earlier?.made === true && base === '');
  const after = editText(client.format, base, path, entry);
  if (after === undefined) throw cannotEdit(file.shown, 'put what --print shows into it by hand');
  if (!(await writeClientFile(ports, file, after))) return false;
  await ports.records.write({ file: file.real, path, entry, splice: spliceOf(base, after), made });
  return true;
}

/** A text as it was before its entry: byte for byte where nothing else was changed. Undefined where it cannot be edited. */
const withoutEntry = (
  { format }: Client,
  text: string,
  path: EntryPath,
  record: Awaited<ReturnType<ConnectPorts['records']['read']>>,
): string | undefined =>
  (record && undoSplice(format, text, path, record.splice)) ?? editText(format, text, path, undefined);

const notOurs = ({ shown }: ClientFile, name: string, hint: string): LoomsError =>
  new LoomsError('refused', `${shown} has an entry ${name} that looms did not write`, { hint });

const cannotEdit = (file: string, hint: string): LoomsError =>
  new LoomsError(
    'client-file-invalid',
    `${file} is written in a way that cannot be changed without touching the rest`,
    {
      hint: `it was left as it is: ${hint}`,
    },
  );

/** Reads the entry back and does what its client does with it. */
async function prove(ports: ConnectPorts, request: ConnectRequest, shown: string): Promise<EntryProof> {
  const { client, name, inProject, http, server } = request;
  const { value } = await readClientFile(ports, client, shown);
  const entry = entryAt(value, pathOf(request));
  const read = readEntry(client, entry as Entry);
  if (read === undefined) throw new LoomsError('internal', `the entry ${name} of ${shown} is none of ${client.title}`);
  const { environment, home } = ports.place;
  const tried =
    read.kind === 'stdio'
      ? read
      : {
          kind: 'http' as const,
          url: read.url,
          headers: read.headers((reference) =>
            reference.from === 'file'
              ? ports.readToken(reference.path)
              : // Where it is not set here, the note says what to set it to.
                environment[reference.name] || (http === undefined ? undefined : ports.readToken(http.tokenFile)),
          ),
        };
  try {
    const tools = await ports.tryEntry(tried, inProject ? ports.workingDirectory : home);
    if (server !== undefined) return { servers: 1, tools: tools.length };
    const found = new Set(tools.map((tool) => serverOf(tool, ports.names)));
    return { servers: found.size, tools: tools.length, ...(await missingOf(ports, request, found)) };
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    const flags = `${inProject ? ' --local' : ''}${name === server || name === 'looms' ? '' : ` --as ${name}`}`;
    const undo = `looms connect ${client.id}${server === undefined ? '' : ` ${server}`}${flags} --undo`;
    throw withHint(
      error,
      `the entry ${name} stays in ${shown}, and works once this is mended; \`${undo}\` takes it out${
        error.hint === undefined ? '' : ` (${error.hint})`
      }`,
    );
  }
}

/**
 * The servers that a list of all has nothing of. Where the engine does not answer, or a tool is of a server that the
 * project does not have here, the list cannot be compared.
 */
async function missingOf(
  ports: ConnectPorts,
  { http }: ConnectRequest,
  found: ReadonlySet<string | undefined>,
): Promise<Pick<EntryProof, 'missing'>> {
  if (http?.wasAsked === true) return {};
  const known = await ports.servers().catch(() => []);
  const missing = known.filter((name) => !found.has(name));
  return missing.length === 0 || known.length - missing.length < found.size ? {} : { missing };
}

function noteOf(...notes: readonly (string | false)[]): Pick<Connected, 'note'> {
  const said = present(notes);
  return said.length === 0 ? {} : { note: said.join('; ') };
}

const entryNote = (ports: ConnectPorts, request: ConnectRequest, target: EntryTarget): string | false =>
  target.kind === 'http' ? tokenNote(ports, request, target) : unheldNote(request);

/** Where the client gets the token from, which an entry only refers to. */
function tokenNote(
  ports: ConnectPorts,
  { http }: ConnectRequest,
  { bearer }: Extract<EntryTarget, { kind: 'http' }>,
): string | false {
  if (http === undefined || bearer.from !== 'variable' || ports.place.environment[bearer.name]) return false;
  return `set ${bearer.name} where the client is started: export ${bearer.name}="$(cat ${http.tokenFile})"`;
}

/** That rules of looms.yaml may not hold for a command: nothing says so when the client starts it. */
function unheldNote({ client, unheld }: ConnectRequest): string | false {
  if (unheld.length === 0) return false;
  const note = `the command has nothing of ${unheld.join(', ')} of looms.yaml where ${client.title} starts it in another folder`;
  if (client.remote === undefined) return note;
  return `${note}; an entry with the address of \`looms serve --listen 127.0.0.1:7777\` has`;
}
