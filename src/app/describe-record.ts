import type { ForeignRecord, RecordMaker } from '../model/claims.ts';
import type { DesiredServer, Mount } from '../model/desired.ts';
import { assertNever } from '../model/errors.ts';
import { writtenRef } from '../model/secret-names.ts';
import { secretsOf } from './server-status.ts';

/** A record that this machine did not make, as far as trusting it goes. */
export type UntrustedRecord = {
  readonly spec: DesiredServer;
  readonly image: string;
  readonly foreign: ForeignRecord;
  /** Which one it is, for people: `fs`, `generation 2 of fs`. */
  readonly name: string;
};

function makerText(maker: RecordMaker): string {
  switch (maker.kind) {
    case 'here':
      return 'this machine';
    case 'unsigned':
      return 'nobody says: it is not signed (an earlier looms does not sign, nor does who writes one by hand)';
    case 'other-key': {
      const key =
        maker.key === undefined ? 'another key, which it does not name' : `another key, by its word ${maker.key}`;
      return `not this machine: it is signed with ${key}, and that cannot be checked here`;
    }
    case 'forged':
      return 'FORGED, or changed since: it has a signature that does not hold';
    default:
      return assertNever(maker);
  }
}

const mountText = ({ type, source, target, readOnly }: Mount): string =>
  `${type === 'bind' ? source : `volume ${source}`} at ${target} (${readOnly ? 'read only' : 'writable'})`;

function networkText({ mode, egress }: DesiredServer['network']): string {
  return egress.length === 0 ? mode : `${mode}, and ${egress.map(({ host, port }) => `${host}:${port}`).join(', ')}`;
}

/**
 * A word and what belongs to it, in one column each; every further item stands on a line of its own. What is foreign has
 * no lines: one of its own would look like another word and what belongs to that.
 */
const rows = (word: string, items: readonly string[]): readonly string[] =>
  (items.length === 0 ? ['none'] : items).map(
    (item, index) => `${(index === 0 ? word : '').padEnd(14)}${item.replaceAll(/\s+/g, ' ')}`,
  );

/** Characters of a command line that are shown; what a long one ends with matters less than the lines around it. */
const longestCommand = 300;

function commandText({ entrypoint = [], mcp }: DesiredServer): string {
  const argv = [...entrypoint, ...(mcp.command === undefined ? [] : [mcp.command]), ...mcp.args].join(' ');
  if (argv === '') return 'what the image says';
  return argv.length <= longestCommand ? argv : `${argv.slice(0, longestCommand)}… (${argv.length} characters)`;
}

/**
 * Who made a record, as far as is known, and what it says that its server runs and is given: for people, before anybody
 * accepts it. All of it is a stranger's word.
 */
export function describeRecord({ spec, image, foreign }: UntrustedRecord): readonly string[] {
  const { security, mounts, network } = spec;
  const { capAdd, capDrop } = security;
  const capabilities = capAdd.length === 0 ? 'none' : capAdd.join(', ');
  const secrets = secretsOf(spec).map(({ variable, refs }) => `${refs.map(writtenRef).join(' and ')} as ${variable}`);
  return [
    ...rows('made by', [makerText(foreign.maker)]),
    ...(foreign.source === undefined ? [] : rows('from', [`${foreign.source}, as it says`])),
    ...rows('image', [image]),
    ...rows('runs', [commandText(spec)]),
    ...rows('user', [security.user]),
    ...rows('mounts', mounts.map(mountText)),
    ...rows('capabilities', [capDrop.includes('ALL') ? capabilities : `those of the engine; added: ${capabilities}`]),
    ...rows('network', [networkText(network)]),
    ...rows('secrets', secrets),
  ];
}
