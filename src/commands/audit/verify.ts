import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { exitCode } from '../../cli/exit-codes.ts';
import { renderVerification } from '../../cli/render/audit.ts';
import { LoomsError } from '../../model/errors.ts';
import type { TrailHead, Verification } from '../../model/trail/audit.ts';

export default class AuditVerify extends BaseCommand {
  static override summary = 'Check that nobody changed the audit trail of this machine';
  static override description =
    'Recomputes the chain of keyed hashes from the first record to the last, and says where it breaks: a record that was ' +
    'changed, moved or removed, also from the end. Prints the head, which can be kept elsewhere and given again later. ' +
    'Exits 11 when the trail is broken.';
  static override examples = [
    { description: 'The whole trail', command: 'looms audit verify' },
    { description: 'Also that what was there then is there now', command: 'looms audit verify --head 12:f3a9…' },
  ];
  static override flags = {
    head: Flags.string({
      description: 'a head that was printed earlier, which must still be part of the trail',
      helpValue: 'N:HASH',
    }),
  };

  async run(): Promise<Verification> {
    const { flags } = await this.parse(AuditVerify);
    const expected = flags.head === undefined ? undefined : parseHead(flags.head);
    const { ports, terminal } = await this.open(flags);
    const found = await ports.auditReader.verify(expected);
    this.answer(() => renderVerification(found, terminal.palette));
    if (!found.intact) process.exitCode = exitCode.trailBroken;
    return found;
  }
}

function parseHead(text: string): TrailHead {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined || Number(seq) === 0) {
    throw new LoomsError('usage', `--head: "${text}" is no head of a trail`, {
      hint: 'give it as `looms audit verify` prints it: a number, a colon, and 64 hexadecimal digits',
    });
  }
  return { seq: Number(seq), hash };
}
