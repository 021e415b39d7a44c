/** The suffixes of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/: powers of 10, and of 1024. */
const tens: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const kibis = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** What a quantity of Kubernetes says: bytes, cores or a count; undefined for what is none, or less than nothing. */
export function readAmount(quantity: string): number | undefined {
  const [, number, unit = '', exponent] =
    /^\+?(\d+\.?\d*|\.\d+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d{1,3}))?$/.exec(quantity) ?? [];
  if (number === undefined) return undefined;
  // Written out, as 0.1 is not a hundred times 0.001.
  const amount = Number(`${number}e${exponent ?? tens[unit] ?? 0}`) * 1024 ** (kibis.indexOf(unit) + 1);
  return Number.isFinite(amount) ? amount : undefined;
}

/** The same; 0 for what is none. */
export const amountOf = (quantity: string | undefined): number => readAmount(quantity ?? '') ?? 0;
