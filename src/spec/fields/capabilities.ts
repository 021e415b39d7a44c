import { nearest } from '../../model/values/nearest.ts';

/** Linux capabilities, without CAP_, as of Linux 6.x (capabilities(7)). */
const known = [
  'AUDIT_CONTROL',
  'AUDIT_READ',
  'AUDIT_WRITE',
  'BLOCK_SUSPEND',
  'BPF',
  'CHECKPOINT_RESTORE',
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'IPC_LOCK',
  'IPC_OWNER',
  'KILL',
  'LEASE',
  'LINUX_IMMUTABLE',
  'MAC_ADMIN',
  'MAC_OVERRIDE',
  'MKNOD',
  'NET_ADMIN',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_RAW',
  'PERFMON',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYSLOG',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_CHROOT',
  'SYS_MODULE',
  'SYS_NICE',
  'SYS_PACCT',
  'SYS_PTRACE',
  'SYS_RAWIO',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'WAKE_ALARM',
];

/** A capability in the engine's spelling (upper case, without CAP_), or what is wrong with it. */
export function readCapability(
  written: string,
):
  | { readonly ok: true; readonly name: string }
  | { readonly ok: false; readonly message: string; readonly hint?: string } {
  const name = written.toUpperCase().replace(/^CAP_/, '');
  if (name === 'ALL' || known.includes(name)) return { ok: true, name };
  const meant = nearest(name, known);
  return {
    ok: false,
    message: `${written} is not a Linux capability`,
    ...(meant === undefined ? {} : { hint: `did you mean ${meant}?` }),
  };
}
