import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Ports } from '../../app/ports.ts';
import { hasErrors } from '../../model/diagnostics.ts';
import { LoomsError } from '../../model/errors.ts';
import type { Policies, PolicyFile } from '../../model/policy.ts';
import { SpecError } from '../errors.ts';
import { countDiagnostics } from '../render/diagnostics/diagnostics.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where policies are that hold for whatever a user does, and for whatever is done on a machine. */
function policyPlaces({ XDG_CONFIG_HOME: wanted, HOME: home }: Environment): readonly string[] {
  const folder = wanted !== undefined && isAbsolute(wanted) ? wanted : join(home || homedir(), '.config');
  return [join(folder, 'looms/policy.yaml'), '/etc/looms/policy.yaml'];
}

/** The largest policy file that is read. */
const mostBytes = 1024 * 1024;

/** In a folder with this bit only who owns an entry may take it away (`/tmp`). */
const sticky = 0o1000;

/**
 * Throws `refused` where somebody else than root or this user could put other rules in the place of `path`, which `what` is
 * read from: each folder that the path goes through, each link in it and the file have to be theirs, and no group and no
 * others may write to them, as sshd asks of keys (StrictModes). `isExempt`: of which folders this is not asked.
 */
export async function requireKept(
  files: Ports['files'],
  path: string,
  isExempt: (hop: string) => boolean = () => false,
): Promise<void> {
  const words = `the rules of ${path} could be anybody's`;
  const user = process.getuid?.();
  // Windows has other rights.
  if (user === undefined) return;
  for (const { path: hop, kind, uid, mode } of (await files.wayTo(path)).hops) {
    if (isExempt(hop)) continue;
    // Everybody may write to a link, by its bits; only the folder that it is in counts.
    const isOpen = kind !== 'link' && (mode & 0o022) !== 0 && !(kind === 'folder' && (mode & sticky) !== 0);
    if (isOpen) {
      const bits = mode.toString(8).padStart(3, '0');
      throw new LoomsError('refused', `others may write to ${hop} (mode ${bits}), so ${words}`, {
        hint: `chmod go-w ${hop}`,
      });
    }
    if (uid !== 0 && uid !== user) {
      throw new LoomsError('refused', `${hop} belongs to user ${uid}, so ${words}`, {
        hint: `chown ${kind === 'link' ? '-h ' : ''}root ${hop}`,
      });
    }
  }
}

/** Reads a policy wherever it stands; undefined where nothing is. */
async function readPolicyAt(
  files: Ports['files'],
  path: string,
  { environment, shown = path, mustBeKept }: { environment: Environment; shown?: string; mustBeKept: boolean },
): Promise<PolicyFile | undefined> {
  const read = await files.readRegular(path, mostBytes);
  if (!read.done) {
    // What a link of the path leads to was there once, so a policy was; `ENOTDIR`: a part of the path is a file.
    const { hops, deadLink } = await files.wayTo(path);
    if (read.why === 'missing' && deadLink === undefined) return undefined;
    if (read.code === 'ENOTDIR' && hops.every(({ kind }) => kind !== 'link')) return undefined;
    throw new LoomsError('file-not-found', `${shown} is there and cannot be read: ${read.message}`, {
      hint: 'a policy must not be taken for none: make it readable, or have it moved away',
      cause: read.cause,
    });
  }
  if (mustBeKept) await requireKept(files, path);
  const { loadPolicyFile } = await import('../../spec/policy-file.ts');
  const source = { file: shown, directory: dirname(path), text: read.text };
  const { policy, diagnostics } = loadPolicyFile(source, { environment });
  if (policy !== undefined && !hasErrors(diagnostics)) return policy;
  throw new SpecError(`${shown} cannot be used: ${countDiagnostics(diagnostics)}`, diagnostics, [source]);
}

/**
 * The policies of the user (`policy.yaml` in the configuration folder) and of the machine (`/etc/looms/policy.yaml`); one
 * that is not there is none. Throws `file-not-found` for one that cannot be read, `refused` for one that others may change,
 * `spec-invalid` with its findings for one that is wrong: a policy is never passed over.
 */
export async function readPolicyFiles({ files }: Pick<Ports, 'files'>, environment: Environment): Promise<Policies> {
  const options = { environment, mustBeKept: true };
  const read = await Promise.all(policyPlaces(environment).map((path) => readPolicyAt(files, path, options)));
  return read.filter((policy) => policy !== undefined);
}

/** A policy that was named, as `policy.yaml`. Throws `file-not-found`, also where nothing is, and `spec-invalid`. */
export async function readPolicyOf(
  { files, environment, workingDirectory }: Pick<Ports, 'files' | 'environment' | 'workingDirectory'>,
  path: string,
): Promise<PolicyFile> {
  const options = { environment, shown: path, mustBeKept: false };
  const policy = await readPolicyAt(files, resolve(workingDirectory, path), options);
  if (policy !== undefined) return policy;
  throw new LoomsError('file-not-found', `policy ${path} does not exist`, {
    hint: 'name a file that holds what `policy` of a looms.yaml may hold',
  });
}
