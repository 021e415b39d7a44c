import { type LoadResult, loadDocuments } from '../../../src/spec/load.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';

export type CheckOptions = {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly strict?: boolean;
};

/** Loads one text as the file `mcp.yaml` of /repo/team. */
export const load = (text: string, { environment = {}, strict = false }: CheckOptions = {}): LoadResult =>
  loadDocuments([{ file: 'mcp.yaml', directory: '/repo/team', text }], { environment, strict });

/** All diagnostics of a text, without the file's name; '' when there is none. */
export const check = (text: string, options: CheckOptions = {}): string =>
  describeDiagnostics(load(text, options).diagnostics).replaceAll('mcp.yaml:', '');

/** A document that is valid but for what a test puts into it; `backend` and `mcp` are YAML lines. */
export function document(parts: {
  backend?: readonly string[];
  mcp?: readonly string[];
  top?: readonly string[];
}): string {
  const indent = (lines: readonly string[] = []): string => lines.map((line) => `  ${line}\n`).join('');
  const top = (parts.top ?? ['name: fs']).map((line) => `${line}\n`).join('');
  const mcp = parts.mcp ?? ['command: run'];
  return `${top}docker_backend:\n  base_image: debian:bookworm-slim\n${indent(parts.backend)}mcp_server:\n${indent(mcp)}`;
}

/** The only server of a text, which must have no error. */
export function only(text: string, options: CheckOptions = {}): LoadResult['servers'][number] {
  const { servers, diagnostics } = load(text, options);
  const [server] = servers;
  if (server === undefined || servers.length > 1)
    throw new Error(`not one server:\n${describeDiagnostics(diagnostics)}`);
  return server;
}
