const mebibyte = 1024 * 1024;

const units: Readonly<Record<string, number>> = {
  m: 0.001,
  Ki: 1024,
  Mi: mebibyte,
  Gi: 1024 * mebibyte,
  Ti: 1024 * 1024 * mebibyte,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};

/** What a quantity of Kubernetes says: bytes, cores or a count; 0 for what is none. */
export function amountOf(quantity: string | undefined): number {
  const [, number = '0', unit = ''] = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T|m)?$/.exec(quantity ?? '') ?? [];
  return Number(number) * (units[unit] ?? 1);
}
