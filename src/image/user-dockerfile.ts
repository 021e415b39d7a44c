import { caArguments, copyCaFiles } from './build-ca.ts';

/** One instruction with the lines it spans, comments and continuation lines included. */
type Instruction = { readonly keyword: string; readonly rest: string; readonly lines: readonly string[] };

/**
 * Hands extra CA certificates to a Dockerfile that is not ours. A Dockerfile asks for them by declaring one of the
 * arguments of `caArguments` in a stage (`ARG NODE_EXTRA_CA_CERTS`); after that line the file is there, and the
 * argument names it. One that declares none is returned as it is. Without extra certificates, and with any other
 * builder, the argument stays unset, which every tool takes for its default.
 */
export function withCaArguments(dockerfile: string): { readonly text: string; readonly asks: boolean } {
  const lines: string[] = [];
  let inStage = false;
  let copied = false;
  let asks = false;
  for (const instruction of instructions(dockerfile)) {
    lines.push(...instruction.lines);
    if (instruction.keyword === 'FROM') {
      inStage = true;
      copied = false;
    }
    if (instruction.keyword !== 'ARG' || !inStage) continue;
    const declared = declaredNames(instruction.rest).filter((name) => name in caArguments);
    if (declared.length === 0) continue;
    asks = true;
    if (!copied) lines.push(copyCaFiles);
    copied = true;
    lines.push(...declared.map((name) => `ARG ${name}=${caArguments[name]}`));
  }
  return { text: lines.join('\n'), asks };
}

/** Images a Dockerfile is built from: no stages, no `scratch`; arguments by their defaults before the first FROM. */
export function externalImages(dockerfile: string): readonly string[] {
  const stages = new Set<string>();
  const images = new Set<string>();
  const defaults = new Map<string, string>();
  const add = (written: string | undefined): void => {
    const name = written?.replace(/\$(?:\{(\w+)\}|(\w+))/g, (all, a, b) => defaults.get(a ?? b) ?? all);
    if (name === undefined || name === 'scratch' || name.includes('$') || /^\d+$/.test(name)) return;
    if (!stages.has(name.toLowerCase())) images.add(name);
  };
  for (const { keyword, rest } of instructions(dockerfile)) {
    const words = rest.split(/\s+/).filter((word) => word !== '');
    if (keyword === 'ARG' && images.size === 0 && stages.size === 0) {
      for (const word of words) {
        const [, name, value] = word.match(/^(\w+)=["']?([^"']*)["']?$/) ?? [];
        if (name !== undefined && value !== undefined) defaults.set(name, value);
      }
    }
    if (keyword === 'FROM') {
      const [image, as, stage] = words.filter((word) => !word.startsWith('--'));
      add(image);
      if (as?.toLowerCase() === 'as' && stage !== undefined) stages.add(stage.toLowerCase());
    }
    if (keyword === 'COPY') add(words.find((word) => word.startsWith('--from='))?.slice('--from='.length));
  }
  return [...images];
}

/** Instructions whose text the builder leaves alone: a shell expands it, and the image holds it as it is written. */
const unexpanded: ReadonlySet<string> = new Set(['RUN', 'CMD', 'ENTRYPOINT', 'HEALTHCHECK', 'SHELL']);

/**
 * The first instruction that puts the value of one of these build arguments into the image or its history: one that
 * declares it in a stage (every RUN behind it then has the value in its history), or that the builder expands it in. It
 * does so without a declaration for the arguments that it knows, proxies (seen on Engine 20.10).
 */
export function storesArgument(dockerfile: string, names: readonly string[]): string | undefined {
  let inStage = false;
  for (const { keyword, rest } of instructions(dockerfile)) {
    inStage ||= keyword === 'FROM';
    const [, later = keyword, text = rest] = (keyword === 'ONBUILD' && rest.match(/^(\S+)\s*(.*)$/)) || [];
    const declared = later.toUpperCase() === 'ARG' && inStage ? declaredNames(text) : [];
    const expanded = unexpanded.has(later.toUpperCase())
      ? []
      : [...text.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name);
    if (names.some((name) => declared.includes(name) || expanded.includes(name)))
      return `${keyword} ${rest}`.replaceAll(/\s+/g, ' ');
  }
  return undefined;
}

const declaredNames = (rest: string): string[] =>
  rest.split(/\s+/).flatMap((word) => word.match(/^([A-Za-z_][A-Za-z0-9_]*)(?:=|$)/)?.[1] ?? []);

function instructions(dockerfile: string): Instruction[] {
  const found: Instruction[] = [];
  const continuation = escapeCharacter(dockerfile);
  let lines: string[] = [];
  let text = '';
  for (const line of dockerfile.split('\n')) {
    lines.push(line);
    const trimmed = line.trim();
    // Comments and empty lines do not end an instruction that goes on (Dockerfile reference, "Format").
    if (trimmed === '' || trimmed.startsWith('#')) {
      if (text !== '') continue;
    } else if (trimmed.endsWith(continuation)) {
      text += `${trimmed.slice(0, -1)} `;
      continue;
    } else {
      text += trimmed;
    }
    found.push(instruction(text, lines));
    lines = [];
    text = '';
  }
  if (lines.length > 0) found.push(instruction(text, lines));
  return found;
}

function instruction(text: string, lines: readonly string[]): Instruction {
  const [, keyword = '', rest = ''] = text.trim().match(/^(\S+)\s*(.*)$/) ?? [];
  return { keyword: keyword.toUpperCase(), rest, lines };
}

/** The directive is one only before anything else but directives. */
function escapeCharacter(dockerfile: string): string {
  for (const line of dockerfile.split('\n')) {
    const [, name, value] = line.match(/^\s*#\s*([A-Za-z]+)\s*=\s*(\S+)\s*$/) ?? [];
    if (name === undefined) break;
    if (name.toLowerCase() === 'escape' && value !== undefined) return value;
  }
  return '\\';
}
