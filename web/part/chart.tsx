import { extentOf, type Point, shapeOf } from '../state/chart.ts';

type ChartProps = {
  readonly title: string;
  readonly points: readonly Point[];
  readonly limit: number | null;
  /** A value with its unit. */
  readonly say: (value: number) => string;
  readonly to: number;
  readonly isNear: boolean;
};

const hourMs = 3_600_000;
const width = 240;
const height = 44;
/** In the table behind a chart a row stands for so long, ms. */
const rowMs = 300_000;

/** One thing that a server takes, over the last hour: what it is now against its limit, its course, and a table behind. */
export function Chart({ title, points, limit, say, to, isNear }: ChartProps) {
  const extent = extentOf(points);
  const from = to - hourMs;
  const { lines, areas, limitAt } = shapeOf(points, { from, to, width, height, limit });
  const now = extent === undefined ? 'not measured' : say(extent.last);
  const label =
    extent === undefined
      ? `${title} over the last hour: not measured`
      : `${title} over the last hour: least ${say(extent.least)}, greatest ${say(extent.greatest)}, last ${say(extent.last)}`;
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class={isNear ? 'chart-now warn' : 'chart-now'}>
          {isNear ? (
            <>
              <span class="unseen">near its limit: </span>
              <span aria-hidden="true">! </span>
            </>
          ) : null}
          {now}
          {limit === null ? null : <span class="quiet"> of {say(limit)}</span>}
        </span>
      </figcaption>
      <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <path class="base" d={`M0 ${height - 0.5}H${width}`} />
        {limitAt === undefined ? null : <path class="limit" d={`M0 ${limitAt}H${width}`} />}
        {areas.map((d) => (
          <path class="area" key={d} d={d} />
        ))}
        {lines.map((d) => (
          <path class="course" key={d} d={d} />
        ))}
      </svg>
      <ChartTable title={title} points={points} say={say} from={from} />
    </figure>
  );
}

function ChartTable({
  title,
  points,
  say,
  from,
}: Pick<ChartProps, 'title' | 'points' | 'say'> & { readonly from: number }) {
  const rows = Map.groupBy(
    points.filter(({ at, value }) => at >= from && value !== null),
    ({ at }) => Math.floor(at / rowMs) * rowMs,
  );
  if (rows.size === 0) return null;
  return (
    <details class="behind">
      <summary>table</summary>
      <table>
        <caption class="unseen">{title}, in steps of five minutes</caption>
        <thead>
          <tr>
            <th scope="col">from (UTC)</th>
            <th scope="col">least</th>
            <th scope="col">greatest</th>
          </tr>
        </thead>
        <tbody>
          {[...rows].map(([at, group]) => {
            const extent = extentOf(group);
            return extent === undefined ? null : (
              <tr key={at}>
                <th scope="row">{new Date(at).toISOString().slice(11, 16)}</th>
                <td>{say(extent.least)}</td>
                <td>{say(extent.greatest)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </details>
  );
}
