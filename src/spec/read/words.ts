import { hideCredentials } from '../../model/secrets/hide-credentials.ts';
import { nearest } from '../../model/values/nearest.ts';
import type { ScalarShape, Shape } from './shape.ts';
import { childPath, type Tree } from './tree.ts';

/** A variable's text as a number or truth value, by YAML's core rules; the text itself when it is neither. */
export function coerce(text: string, shape: ScalarShape): unknown {
  if (shape.types.includes('boolean')) {
    if (/^(?:true|True|TRUE)$/.test(text)) return true;
    if (/^(?:false|False|FALSE)$/.test(text)) return false;
  }
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  return text;
}

/** All places in a shape where a key is valid, as paths of their maps. */
export function placesOf(key: string, shape: Shape, path: string): readonly string[] {
  if (shape.kind === 'list') return placesOf(key, shape.items, `${path}[]`);
  if (shape.kind === 'either') return placesOf(key, shape.map, path);
  if (shape.kind !== 'map') return [];
  const own = path !== '' && Object.hasOwn(shape.keys, key) ? [path] : [];
  const inner = Object.entries(shape.keys)
    // mcp_server is valid in two places; one is enough to say.
    .filter(([name]) => !(path === 'docker_backend' && name === 'mcp_server'))
    .flatMap(([name, child]) => placesOf(key, child, childPath(path, name)));
  return [...own, ...inner];
}

/** What keys of specs are called in the files of Compose and of MCP clients. */
const calledElsewhere: Readonly<Record<string, string>> = {
  arguments: 'args',
  cpu: 'cpu_cores',
  cpus: 'cpu_cores',
  image: 'base_image',
  mem_limit: 'memory_mb',
  memory: 'memory_mb',
  mounts: 'volume_mounts',
  pids: 'pids_limit',
  tool_filter: 'tools',
  volumes: 'volume_mounts',
};

/** A key that a map knows for one that it does not: what is called otherwise elsewhere, or written nearly so. */
export const meantKey = (key: string, known: readonly string[]): string | undefined => {
  const other = Object.hasOwn(calledElsewhere, key) ? calledElsewhere[key] : undefined;
  return other !== undefined && known.includes(other) ? other : nearest(key, known);
};

/** The last key of a path, for messages: `b` of `a.b`, `b[0]` of `a.b[0]`. */
export function lastName(path: string): string {
  const quoted = /\["((?:[^"\\]|\\.)*)"\]$/.exec(path);
  if (quoted !== null) return JSON.parse(`"${quoted[1] ?? ''}"`);
  return /[^.]*$/.exec(path)?.[0] ?? path;
}

/** What a shape expects, in words. */
export function wordsOf(shape: Shape): string {
  if (shape.kind === 'scalar') return shape.words;
  if (shape.kind === 'either') return wordsOf(shape.other);
  if (shape.kind === 'list') return 'a list';
  return 'a map (key: value)';
}

/** A text of a file for a message: credentials are hidden, quoted parts stay readable, long ones are cut. */
export const shorten = (text: string): string => {
  const line = hideCredentials(text.replaceAll(/\s+/g, ' '));
  return line.length > 60 ? `${line.slice(0, 57)}…` : line;
};

/** A value of any kind for a message. */
export function describeTree(tree: Tree): string {
  if (tree.kind === 'map') return 'a map';
  if (tree.kind === 'list') return 'a list';
  return describeScalar(tree.value);
}

/** A scalar for a message: `"abc"`, `12`, `true`, `nothing`. */
export function describeScalar(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  return typeof value === 'string' ? JSON.stringify(shorten(value)) : String(value);
}
