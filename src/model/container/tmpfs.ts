export type TmpfsMount = {
  readonly sizeBytes: number;
  readonly exec: boolean;
  readonly mode: string;
  readonly owner?: string;
};

/** `64m`, `1g`, `4096`, and `64m,exec`; `security.tmpfs` of schemas/spec.schema.json has the same pattern. */
const grammar = /^(?<amount>[1-9][0-9]{0,14})(?:(?<unit>[kKmMgG])[bB]?|[bB])?(?<exec>,exec)?$/u;

/** Binary units, as Docker's `--tmpfs size=` has them. */
const units: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** The tmpfs that a spec's text asks for: a size, `,exec` for programs in it (docs/spec.md). Undefined for others. */
export function readTmpfs(text: string): TmpfsMount | undefined {
  const { amount, unit = '', exec } = grammar.exec(text)?.groups ?? {};
  if (amount === undefined) return undefined;
  const sizeBytes = Number(amount) * (units[unit.toLowerCase()] ?? 1);
  return { sizeBytes, exec: exec !== undefined, mode: '1777' };
}

/**
 * The tmpfs as that of the user who shall write to it. Its own mode is not enough: over a folder that is there already,
 * as the working directory always is, runc gives it that folder's mode (measured on Engine 20.10 with runc 1.1). A user
 * by name cannot be told to the kernel, and gets the mode alone.
 */
export const ownedBy = (user: string, mount: TmpfsMount): TmpfsMount =>
  /^\d+(?::\d+)?$/.test(user) ? { ...mount, owner: user } : mount;
