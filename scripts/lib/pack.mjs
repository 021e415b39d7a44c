// Puts the chunks of a bundle into one script for V8 each: `looms`, and `libraries` with what few commands need.
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path/posix';
import { Script } from 'node:vm';
import { transform } from 'esbuild';

const importStatement = /(?<=^|[;}\n])import(?:\{([^{}]*)\}from)?"(\.[^"]+)";/g;
const exportStatement = /(?<=^|[;}\n])export\{([^{}]*)\};/g;

/** `a as b,c` of an import or export statement, as pairs. */
const pairs = (list) =>
  list
    .split(',')
    .filter(Boolean)
    .map((item) => item.trim().split(' as '))
    .map(([from, to = from]) => [from, to]);

/**
 * A chunk as the body of a function. Its parameters: `$exports`; `$static` and `$load`, which give the exports of another
 * chunk by its name, the latter later; `$import`, which imports a file by its URL; `$url`, the URL of a file of `dist`. Each
 * export of another chunk is read once, which is right as long as nothing assigns to it after that chunk was evaluated.
 */
function asFunction(name, text) {
  const nameOf = (path) => join(dirname(name), path);
  const body = text
    .replace(importStatement, (_statement, list, path) => {
      const taken = pairs(list ?? '').map(([from, to]) => (from === to ? from : `${from}:${to}`));
      const chunk = `$static("${nameOf(path)}")`;
      return taken.length === 0 ? `${chunk};` : `const{${taken.join(',')}}=${chunk};`;
    })
    .replace(exportStatement, (_statement, list) =>
      pairs(list)
        .map(([from, to]) => `$exports.${to}=${from};`)
        .join(''),
    )
    .replace(/(?<=^|[;}\n])export default /, '$exports.default=');
  return withPaths(name, body);
}

/** The same for a chunk with modules that are evaluated later, whose exports change with that: slower, and right. */
async function asLiveFunction(name, text) {
  const { code } = await transform(text, { format: 'cjs', minifyWhitespace: true, target: 'node22' });
  const body = code.replace(/\brequire\("(\.[^"]+)"\)/g, (_call, path) => `$static("${join(dirname(name), path)}")`);
  return withPaths(
    name,
    `const module={};${body}Object.defineProperties($exports,Object.getOwnPropertyDescriptors(module.exports));`,
  );
}

const withPaths = (name, body) =>
  body
    .replace(/\bimport\("(\.[^"]+)"\)/g, (_call, path) => `$load("${join(dirname(name), path)}")`)
    .replace(/\bimport\((?=[\w(])/g, '$import(')
    .replaceAll('import.meta.url', `$url("${name}")`);

/**
 * @param {ReadonlyMap<string, { text: string, imports: readonly string[] }>} chunks by path in `dist`; `imports`: those
 *   that are evaluated before it
 * @param {readonly string[]} names of the chunks of this script
 * @returns {Promise<string>} a script in ASCII whose value has a function for each chunk; it begins with what tells it
 *   from every other one
 */
export async function packOf(chunks, names) {
  const isLive = (name) => /\b__esm\(/.test(chunks.get(name)?.text ?? '');
  const parts = [];
  for (const name of names) {
    const { text, imports } = chunks.get(name);
    const body = [name, ...imports].some(isLive) ? await asLiveFunction(name, text) : asFunction(name, text);
    parts.push(`${JSON.stringify(name)}($exports,$static,$load,$import,$url){${body}\n}`);
  }
  // What is left of other characters stands in regular expressions, where an escape means the same. V8 holds text in
  // ASCII in one byte a character.
  const script = `"use strict";({${parts.join(',\n')}})`.replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  // Fails here for what the statements above did not find.
  new Script(script);
  return `/*${createHash('sha256').update(script).digest('hex').slice(0, 16)}*/${script}`;
}
