import { blockOf, isIpv4 } from '../model/container/egress.ts';
import type { DesiredServer, Source } from '../model/desired.ts';
import type { Diagnostic, Mark } from '../model/diagnostics.ts';
import type { ServerName } from '../model/ids.ts';
import type { Place } from '../model/place.ts';
import { defined } from '../model/values/defined.ts';
import { otherDocument, specOptions, specWording } from './check/spec-rules.ts';
import type { HostPath } from './fields/mounts.ts';
import { nameOf, normalize, type ReadServer } from './fields/normalize.ts';
import { placeOf } from './fields/place.ts';
import { type SpecInput, specShape, specValidator } from './generated/validators.mjs';
import { type CheckedDocument, checkDocument, type DocumentKind } from './read/document.ts';
import { asDiagnostic, markOf, sortDiagnostics } from './read/findings.ts';
import { parseDocuments } from './read/parse.ts';
import { indexLines, type Lines, type Span } from './read/tree.ts';

/** One file as read. `file` is what diagnostics and `Source` call it: as given on the command line, or `-`. */
export type SpecFile = {
  readonly file: string;
  /** Folder that relative paths in it start at, absolute. */
  readonly directory: string;
  readonly text: string;
};

export type LoadContext = {
  /** The environment of `looms`, which variables come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Lints are errors (`--strict`). */
  readonly strict: boolean;
};

/** Where a field stands; for one that is not in the file, where its nearest parent stands. */
export type FieldLocation = Mark & { readonly explicit: boolean };

type Read<Spec> = {
  readonly spec: Spec;
  /** Without the commit, which only an adapter can know. */
  readonly source: Source;
  /** Takes paths as diagnostics have them: `docker_backend.resource_limits.memory_mb`, `mcp_server.env.HOME`. */
  readonly locate: (path: string) => FieldLocation;
  readonly hostPaths: readonly HostPath[];
  readonly place?: Place;
};

export type LoadedServer = Read<DesiredServer>;

/** A server of a document with errors, for checks that can only add findings; it is never acted on. */
export type FaultyServer = Read<ReadServer> & {
  /** Paths of the errors: what is said about them, or about fields below them, would be about a default. */
  readonly wrong: readonly string[];
};

/** What a server is called in a `FaultyServer` when its name is missing or wrong. */
const noName = '' as ServerName;

export type LoadResult = {
  /** The documents without an error, in the order of files and documents. */
  readonly servers: readonly LoadedServer[];
  /** The documents with errors, as far as they could be read. */
  readonly faulty: readonly FaultyServer[];
  /** Everything found in all documents, in the order of files, lines and columns. */
  readonly diagnostics: readonly Diagnostic[];
};

/**
 * Reads specs: text in, desired servers and diagnostics out; never throws, touches nothing. A document with an error
 * gives no server to act on and does not hide the errors of others. Callers act only when no diagnostic is an error.
 */
export function loadDocuments(files: readonly SpecFile[], context: LoadContext): LoadResult {
  const kind: DocumentKind = {
    shape: specShape,
    validator: specValidator,
    options: specOptions(context.environment, context.strict),
    wording: specWording,
  };
  const servers: LoadedServer[] = [];
  const faulty: FaultyServer[] = [];
  const diagnostics: Diagnostic[] = [];
  const names = new Map<ServerName, Mark>();
  for (const file of files) {
    const text = file.text.startsWith('\ufeff') ? file.text.slice(1) : file.text;
    const lines = indexLines(file.file, text);
    for (const parsed of parseDocuments(text)) {
      diagnostics.push(...parsed.findings.map((finding) => asDiagnostic(lines, finding)));
      if (parsed.content === undefined) continue;
      const checked = checkDocument(parsed.content, kind, file.directory);
      // What is no map has no name either: one finding says it all.
      const loaded: Loaded =
        parsed.content.kind === 'map' ? loadOne(checked, file, lines, parsed.content.span) : { name: undefined };
      // What else is wrong with a document of another program does not matter.
      const other = checked.findings.filter(({ code }) => code === otherDocument);
      const found = (other.length > 0 ? other : checked.findings).map((finding) => asDiagnostic(lines, finding));
      if (loaded.name !== undefined) {
        const place = markOf(lines, checked.locate(loaded.name.path).span);
        const first = names.get(loaded.name.name);
        if (first === undefined) names.set(loaded.name.name, place);
        else found.push(duplicateName(loaded.name, place, first));
      }
      diagnostics.push(...found);
      if (loaded.server === undefined) continue;
      const wrong = found.flatMap(({ severity, path }) => (severity === 'error' ? [path] : []));
      const { spec, ...rest } = loaded.server;
      if (wrong.length === 0 && spec.image !== undefined)
        servers.push({ ...rest, spec: { ...spec, image: spec.image } });
      else faulty.push({ ...rest, spec, wrong });
    }
  }
  const all = [...servers, ...faulty];
  diagnostics.push(...all.flatMap((server) => takenHostname(server, names) ?? []));
  diagnostics.push(...all.flatMap((server, index) => takenAddress(server, all.slice(0, index)) ?? []));
  return {
    servers,
    faulty,
    diagnostics: sortDiagnostics(
      diagnostics,
      files.map(({ file }) => file),
    ),
  };
}

type Loaded = { readonly name: Named | undefined; readonly server?: Read<ReadServer> };
type Named = { readonly name: ServerName; readonly path: string };

function loadOne(checked: CheckedDocument, file: SpecFile, lines: Lines, span: Span): Loaded {
  const input = checked.value as SpecInput;
  const name = nameOf(checked.reader, input);
  // Without docker_backend every rule would only repeat that it is missing.
  if (input.docker_backend === undefined) return { name };
  // Rules run also for a document without a usable name: all its errors are shown at once.
  const { spec, hostPaths } = normalize(checked.reader, input, name?.name ?? noName);
  const place = placeOf(checked.reader, input, spec);
  const isInner = checked.reader.has('docker_backend.mcp_server') && !checked.reader.has('mcp_server');
  const inner = isInner ? 'docker_backend.' : '';
  return {
    name,
    server: {
      spec,
      hostPaths,
      ...defined({ place }),
      source: { file: file.file, line: lines.position(span.start).line, directory: file.directory },
      locate: (path) => {
        const { span: place, explicit } = checked.locate(path.startsWith('mcp_server') ? `${inner}${path}` : path);
        return { ...markOf(lines, place), explicit };
      },
    },
  };
}

/** Servers reach each other by name, so one that called itself as another one is named would get that one's callers. */
function takenHostname(
  { spec, locate }: LoadedServer | FaultyServer,
  names: ReadonlyMap<ServerName, Mark>,
): Diagnostic | undefined {
  const path = 'docker_backend.hostname';
  const name = spec.hostname.toLowerCase();
  const holder = name === spec.name ? undefined : [...names].find(([one]) => one === name)?.[1];
  if (holder === undefined) return undefined;
  return {
    severity: 'error',
    code: 'taken-hostname',
    message: `${spec.hostname} is the name of another server, which would share its callers with this one`,
    ...placed(locate(path)),
    path,
    hint: 'give it another hostname',
    related: [{ ...holder, message: 'the other server' }],
  };
}

/** An engine has one network around an address, and that leads one server. */
function takenAddress(
  { spec, locate }: LoadedServer | FaultyServer,
  before: readonly (LoadedServer | FaultyServer)[],
): Diagnostic | undefined {
  const path = 'docker_backend.network.egress';
  const addressesOf = ({ network: { egress } }: ReadServer): readonly string[] =>
    egress.map(({ host }) => host).filter(isIpv4);
  for (const address of addressesOf(spec)) {
    const block = blockOf(address);
    const other = before.find((one) => addressesOf(one.spec).some((taken) => blockOf(taken) === block));
    if (other === undefined) continue;
    return {
      severity: 'error',
      code: 'taken-address',
      message: `${address} is in ${block}, where ${other.spec.name} is led to an address already: an engine can do so for one server`,
      ...placed(locate(path)),
      path,
      hint: `write { host: NAME, address: ${address}, port: … } with a NAME of your choice, and let the server connect to NAME`,
      related: [{ ...placed(other.locate(path)), message: 'the other server' }],
    };
  }
  return undefined;
}

const placed = ({ position, length }: FieldLocation): Mark => ({ position, length });

const duplicateName = (named: Named, place: Mark, first: Mark): Diagnostic => ({
  severity: 'error',
  code: 'duplicate-name',
  message: `two servers are called ${named.name}`,
  ...place,
  path: named.path,
  hint: 'give one of them another name',
  related: [{ ...first, message: 'first here' }],
});
