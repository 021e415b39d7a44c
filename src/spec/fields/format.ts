import { Document, visit } from 'yaml';
import { isTlsPort } from '../../model/container/egress.ts';
import {
  type DesiredServer,
  defaultVersions,
  type EgressTarget,
  type Env,
  type EnvValue,
  type ImageSource,
  imageFields,
  type Mount,
  mcpFields,
  securityFields,
  serverFields,
  type Transport,
} from '../../model/desired.ts';
import type { Choice, Field, Fields } from '../../model/fields.ts';
import { writtenRef } from '../../model/secrets/secret-names.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { unicodeEscape, unseenInLines } from '../../model/values/unseen.ts';
import { escapeTemplate } from '../read/template.ts';
import { defaultPaths } from './network.ts';
import { writtenScale } from './scale.ts';

type Written = { [key: string]: unknown };

/** Fields that are not written as they stand, with what is written in their place. */
type Writers = ReadonlyMap<Field | Choice, unknown>;

/**
 * Writes a server as YAML that loads again to the same server; what equals a default is left out. Bind mounts come out
 * absolute, so that the text means the same in every folder. The one thing YAML specs cannot say is a `$` from a
 * variable right before a secret.
 */
export function formatSpec(spec: DesiredServer): string {
  const writers: Writers = new Map<Field | Choice, unknown>([
    [serverFields.image, image(spec.image, startsInterpreter(spec))],
    [serverFields.environment, env(spec.environment)],
    [serverFields.network.fields.egress, nonEmpty(spec.network.egress.map(writtenTarget))],
    [serverFields.mounts, nonEmpty(spec.mounts.map(mount))],
    [securityFields.tmpfs, tmpfs(spec)],
    [serverFields.scale, spec.scale && writtenScale(spec.scale)],
    [mcpFields.transport, transport(spec.mcp.transport)],
    [mcpFields.env, env(spec.mcp.env)],
  ]);
  const document: Written = {};
  write(document, serverFields, spec, writers);
  return print(compact(document));
}

/** Puts these fields of a value where a file has them, but for those that are as usual. */
function write(into: Written, fields: Fields, values: Readonly<Record<string, unknown>>, writers: Writers): void {
  for (const [name, one] of Object.entries(fields)) {
    const value = values[name];
    if (one.kind === 'group') write(at(into, one.path), one.fields, value as Written, writers);
    else if (writers.has(one)) put(into, one.path, writers.get(one));
    else if (one.kind === 'field' && !isSame(value, one.default)) put(into, one.path, escaped(value));
  }
}

function put(into: Written, path: string, value: unknown): void {
  const [last = '', ...outer] = path.split('.').toReversed();
  const place = at(into, outer.toReversed().join('.'));
  if (isRecord(value) && (last === '' || isRecord(place[last]))) Object.assign(at(place, last), value);
  else place[last] = value;
}

/** The map at a path, which is made if need be. */
function at(into: Written, path: string): Written {
  if (path === '') return into;
  return path.split('.').reduce((place, key) => {
    place[key] ??= {};
    return place[key] as Written;
  }, into);
}

/** Characters that a spec must not hold unescaped: what is not seen, and what stands for text that could not be read. */
const unprintable = new RegExp(`${unseenInLines.source}|\ufffd`, 'gu');

function print(content: unknown): string {
  const document = new Document(content, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && node.value.search(unprintable) !== -1) node.type = 'QUOTE_DOUBLE';
    },
  });
  // Quoted instead of as blocks: yaml writes blocks of blank lines that read back without their spaces.
  const text = document.toString({ lineWidth: 0, blockQuote: false });
  return text.replaceAll(unprintable, unicodeEscape);
}

/** Leaves out absent values; undefined when nothing is left. */
function compact(fields: Written): Written | undefined {
  const kept = Object.entries(fields).flatMap(([key, value]) => {
    const inner = isRecord(value) && value !== noTmpfs ? compact(value) : value;
    return inner === undefined ? [] : [[key, inner] as const];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** An empty map that says something: no folders in memory, in place of the default. */
const noTmpfs: Written = {};

const isSame = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b);

/** Texts so that a file gives them back: `${` is no reference. */
function escaped(value: unknown): unknown {
  if (typeof value === 'string') return escapeTemplate(value);
  if (Array.isArray(value)) return value.map(escaped);
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, escaped(one)])) : value;
}

/** Whether a spec without `base_image` would be refused: the official images start an interpreter, no server. */
const startsInterpreter = (spec: DesiredServer): boolean =>
  spec.mcp.command === undefined && spec.mcp.args.length === 0 && spec.entrypoint === undefined;

/** A base that a version says is written as that version, another one as `base_image`. */
function image(source: ImageSource, needsBase: boolean): Written {
  const { variants } = imageFields;
  const written: Written = {};
  const writers = new Map<Field | Choice, unknown>();
  if (source.kind === 'build') {
    const lines = source.copy.map(({ source: from, destination }) => escapeTemplate(`${from} ${destination}`));
    writers.set(variants.build.copy, nonEmpty(lines));
  } else if (source.kind === 'python' || source.kind === 'node') {
    written.runtime_type = source.kind;
    const version = new RegExp(`^${source.kind}:([0-9]+(?:\\.[0-9]+){0,2})-slim$`).exec(source.base)?.[1];
    if (version !== undefined && !needsBase) {
      writers.set(variants[source.kind].base, undefined);
      if (version !== defaultVersions[source.kind]) written[source.kind] = { [`${source.kind}_version`]: version };
    }
  }
  write(written, variants[source.kind], source, writers);
  return written;
}

const nonEmpty = <T>(values: readonly T[]): readonly T[] | undefined => (values.length === 0 ? undefined : values);

const mount = ({ source, target, readOnly }: Mount): Written => ({
  source: escapeTemplate(source),
  target: escapeTemplate(target),
  ...(readOnly ? { read_only: true } : {}),
});

/** An entry of `egress`, in the short form where that says it all. */
export const writtenTarget = ({ host, port, tls, address }: EgressTarget): Written | string =>
  (address === undefined && tls === isTlsPort(port)) || address === host
    ? `${host}:${port}`
    : { host, port, address, ...(tls === isTlsPort(port) ? {} : { tls }) };

function tmpfs({ security: { tmpfs: folders }, mounts }: DesiredServer): unknown {
  const taken = new Set(mounts.map(({ target }) => target));
  const usual = Object.entries(securityFields.tmpfs.default).filter(([path]) => !taken.has(path));
  if (isSame(folders, Object.fromEntries(usual))) return undefined;
  return Object.keys(folders).length === 0 ? noTmpfs : escaped(folders);
}

function transport(one: Transport): Written {
  if (one.kind === 'stdio') return {};
  const path = one.path === defaultPaths[one.kind] ? undefined : escapeTemplate(one.path);
  return { transport: one.kind, port: one.port, path };
}

const env = (values: Env): Written =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, variable(value)]));

function variable(value: EnvValue): string {
  if (value.kind === 'literal') return escapeTemplate(value.value);
  return value.parts
    .map((part) => {
      if (typeof part === 'string') return escapeTemplate(part);
      return writtenRef(part);
    })
    .join('');
}
