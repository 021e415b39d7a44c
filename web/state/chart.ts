/** A value at a moment (ms since the epoch); null: it was not known then. */
export type Point = { readonly at: number; readonly value: number | null };

/** What a small chart shows, in the units of its view box: `width` × `height`, the time from left to right. */
export type Shape = {
  /** Lines, one for each stretch in which values are known. */
  readonly lines: readonly string[];
  /** The same as areas down to nought. */
  readonly areas: readonly string[];
  /** Where the limit is; undefined where there is none or it is far above all values. */
  readonly limitAt: number | undefined;
};

/** The least, the greatest and the last value that is known; undefined where none is. */
export type Extent = { readonly least: number; readonly greatest: number; readonly last: number };

/** The extent of points, in any order. */
export function extentOf(points: readonly Point[]): Extent | undefined {
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  const last = values.at(-1);
  return last === undefined ? undefined : { least: Math.min(...values), greatest: Math.max(...values), last };
}

/** A gap between two samples that is longer than this is one in the line, ms: while nobody looks one comes each minute. */
const longestGapMs = 130_000;
/** A limit that is more than so many times what was used would press the line to the ground. */
const farLimit = 4;

/** The shape of values between `from` and `to` (ms since the epoch), on a scale from nought. */
export function shapeOf(
  points: readonly Point[],
  {
    from,
    to,
    width,
    height,
    limit,
  }: Readonly<Record<'from' | 'to' | 'width' | 'height', number>> & { readonly limit: number | null },
): Shape {
  const greatest = extentOf(points)?.greatest ?? 0;
  const isNear = limit !== null && limit > 0 && limit <= greatest * farLimit;
  const top = (isNear ? Math.max(limit, greatest) : greatest) * 1.08 || 1;
  const x = (at: number): string => (((at - from) / Math.max(1, to - from)) * width).toFixed(1);
  const y = (value: number): string => (height - (value / top) * height).toFixed(1);
  const stretches: Point[][] = [];
  let before: Point | undefined;
  for (const point of points) {
    if (point.at < from || point.value === null) {
      before = undefined;
      continue;
    }
    if (before === undefined || point.at - before.at > longestGapMs) stretches.push([]);
    stretches.at(-1)?.push(point);
    before = point;
  }
  // One alone is a dot: a line without length that has round ends.
  const path = (stretch: readonly Point[]): string =>
    stretch.map(({ at, value }, index) => `${index === 0 ? 'M' : 'L'}${x(at)} ${y(value ?? 0)}`).join('') +
    (stretch.length === 1 ? 'h0' : '');
  return {
    lines: stretches.map(path),
    areas: stretches.map(
      (stretch) => `${path(stretch)}L${x(stretch.at(-1)?.at ?? to)} ${height}L${x(stretch[0]?.at ?? from)} ${height}Z`,
    ),
    limitAt: isNear ? Number(y(limit)) : undefined,
  };
}
