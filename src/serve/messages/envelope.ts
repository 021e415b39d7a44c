import { isRecord } from '../../model/values/is-record.ts';
import { errorText, metaOf, paramsOf } from './message.ts';
import {
  code,
  envelopeKeys,
  type Fields,
  type HeaderFields,
  type Message,
  modernRevision,
  naming,
} from './protocol.ts';

// What each request of the stateless revisions says of itself, and the headers that mirror it (2026-07-28,
// basic/transports). Over HTTP whoever takes the request in is to hold one against the other: a server over stdio sees no
// headers.

/** What a request lacks that each has to say of itself, or undefined. */
export function missingOfEnvelope(message: Message): string | undefined {
  const meta = metaOf(message);
  if (typeof meta[envelopeKeys.revision] !== 'string') return `_meta has no ${envelopeKeys.revision}`;
  return isRecord(meta[envelopeKeys.capabilities]) ? undefined : `_meta has no ${envelopeKeys.capabilities}`;
}

/** The answer to a request of a stateless revision that is not known here, or undefined; its servers are not asked. */
export function unknownRevision(id: string | number, revision: string): string | undefined {
  if (revision === modernRevision) return undefined;
  const data = { supported: [modernRevision], requested: revision };
  return errorText(id, code.unsupportedVersion, `revision ${revision} is not spoken here`, data);
}

type Headers = Readonly<Record<string, string | undefined>>;

/** Methods whose requests name what they want in `mcp-name` too. */
const mirrors: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);
const nameKey = ({ method = '' }: Message): string | undefined => (mirrors.has(method) ? naming[method] : undefined);

/** The headers that mirror a request. */
export function mirrored(message: Message, revision: string): HeaderFields {
  const key = nameKey(message);
  const name = key === undefined ? undefined : paramsOf(message)[key];
  return {
    'mcp-protocol-version': revision,
    'mcp-method': message.method ?? '',
    ...(typeof name === 'string' ? { 'mcp-name': headerText(name) } : {}),
  };
}

/** What a request of the gateway's own says in the words of this one of a client: those of its revision. Empty where that has sessions. */
export function ownTerms(
  from: Message | undefined,
  method: string,
): { readonly meta?: Fields; readonly headers?: HeaderFields } {
  const { [envelopeKeys.revision]: revision, [envelopeKeys.capabilities]: capabilities } = metaOf(from ?? {});
  if (typeof revision !== 'string') return {};
  const meta = { [envelopeKeys.revision]: revision, [envelopeKeys.capabilities]: capabilities };
  return { meta, headers: mirrored({ jsonrpc: '2.0', method }, revision) };
}

/** Why headers do not fit the body that they are to mirror, or undefined. */
export function contradiction(message: Message, headers: Headers, revision: string): string | undefined {
  const key = nameKey(message);
  const expected: readonly (readonly [string, unknown])[] = [
    ['mcp-protocol-version', revision],
    ['mcp-method', message.method],
    ...(key === undefined ? [] : [['mcp-name', paramsOf(message)[key]] as const]),
  ];
  for (const [header, value] of expected) {
    const given = headers[header];
    if (given === undefined && value !== undefined) return `the header ${header} is missing`;
    if (given !== undefined && plainHeader(given) !== value) return `the header ${header} is not what the body says`;
  }
  return undefined;
}

/** A header's value, which is base64 where it could not be written plainly; undefined where that is none. */
export function plainHeader(value: string): string | undefined {
  const coded = /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
  if (coded === undefined) return value;
  const bytes = Buffer.from(coded, 'base64');
  return bytes.toString('base64') === coded ? bytes.toString('utf8') : undefined;
}

/** A value as a header takes it: in base64 where it cannot stand there plainly. */
export const headerText = (value: string): string =>
  /^[!-~]([ -~]*[!-~])?$/.test(value) && !value.startsWith('=?base64?')
    ? value
    : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
