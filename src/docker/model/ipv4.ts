/** IPv4 addresses as numbers, and ranges of them. */
export type Range = { readonly from: number; readonly to: number };

export const numberOf = (address: string): number =>
  address.split('.').reduce((number, part) => number * 256 + Number(part), 0);

export const addressOf = (number: number): string => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');

/** The addresses of a subnet in CIDR; undefined for what is none of IPv4. */
export function rangeOf(cidr: string): Range | undefined {
  const [, address = '', bits = ''] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr) ?? [];
  if (address === '') return undefined;
  const size = 2 ** (32 - Number(bits));
  const from = Math.floor(numberOf(address) / size) * size;
  return { from, to: from + size - 1 };
}

export const overlap = (a: Range, b: Range): boolean => a.from <= b.to && b.from <= a.to;
