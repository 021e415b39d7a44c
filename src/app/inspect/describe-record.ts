import { egressText } from '../../model/container/egress.ts';
import type { DesiredServer, Mount } from '../../model/desired.ts';
import { assertNever } from '../../model/errors.ts';
import { shortId } from '../../model/ids.ts';
import type { ForeignRecord, UntrustedRecord } from '../../model/records.ts';
import { secretUses, writtenRef } from '../../model/secrets/secret-names.ts';

function makerText(maker: ForeignRecord['maker']): string {
  switch (maker.kind) {
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
  return egress.length === 0 ? mode : `${mode}, and ${egress.map(egressText).join(', ')}`;
}

/**
 * A word and what belongs to it, in one column each; every further item stands on a line of its own. What is foreign has
 * no lines: one of its own would look like another word and what belongs to that.
 */
const rows = (word: string, items: readonly string[]): readonly string[] =>
  (items.length === 0 ? ['none'] : items).map(
    (item, index) => `${(index === 0 ? word : '').padEnd(14)}${item.replaceAll(/\s+/g, ' ')}`,
  );

/** Characters that are shown of the beginning and the end of a command line: what lies between is counted. */
const shownOfCommand = 200;

/** A word as it is told from its neighbours. */
const wordText = (word: string): string => (/^[^\s"'\\]+$/.test(word) ? word : JSON.stringify(word));

function commandText({ entrypoint = [], mcp }: DesiredServer): string {
  const argv = [...entrypoint, ...(mcp.command === undefined ? [] : [mcp.command]), ...mcp.args];
  if (argv.length === 0) return 'what the image says';
  const text = argv.map(wordText).join(' ');
  if (text.length <= 2 * shownOfCommand) return text;
  const hidden = text.length - 2 * shownOfCommand;
  return `${text.slice(0, shownOfCommand)} … ${hidden} more characters … ${text.slice(-shownOfCommand)}`;
}

/** Who made a record, and what it says that its server runs and is given: a stranger's word, to be looked at. */
export function describeRecord({ spec, image, foreign }: UntrustedRecord): readonly string[] {
  const { security, mounts, network } = spec;
  const { capAdd, capDrop } = security;
  const capabilities = capAdd.length === 0 ? 'none' : capAdd.join(', ');
  const secrets = secretUses(spec).map(({ variable, refs }) => `${refs.map(writtenRef).join(' and ')} as ${variable}`);
  return [
    ...rows('made by', [makerText(foreign.maker)]),
    ...(foreign.source === undefined ? [] : rows('from', [`${foreign.source}, as it says`])),
    ...rows('image', [`${image}, as it says; made of ${shortId(foreign.imageId)}`]),
    ...rows('runs', [commandText(spec)]),
    ...rows('user', [security.user]),
    ...rows('mounts', mounts.map(mountText)),
    ...rows('capabilities', [capDrop.includes('ALL') ? capabilities : `those of the engine; added: ${capabilities}`]),
    ...rows('network', [networkText(network)]),
    ...rows('secrets', secrets),
  ];
}
