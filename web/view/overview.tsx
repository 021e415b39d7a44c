import { limitsText, shortImage, shortSource } from '../../src/cli/render/servers/servers.ts';
import { visible } from '../../src/cli/render/text.ts';
import { namesOfContainer } from '../../src/model/ids.ts';
import type { PageServerDetail } from '../../src/model/page/server.ts';
import type { PageServer } from '../../src/model/page/state.ts';
import { age, duration, shownTime } from '../../src/model/times.ts';
import { plural } from '../../src/model/values/words.ts';
import { Mark } from '../part/mark.tsx';
import { Lines, Nothing } from '../part/notes.tsx';
import { usePage } from '../state/store.ts';
import { ago, healthMark } from '../state/words.ts';
import { ServerCharts } from './charts.tsx';

/** How a server is: what it takes, its probe, what it is made of. */
export function ServerOverview({
  server,
  detail,
}: {
  readonly server: PageServer;
  readonly detail: PageServerDetail | undefined;
}) {
  return (
    <>
      <ServerCharts server={server} />
      <div class="columns">
        <section>
          <h3>probe</h3>
          <Probe server={server} steps={detail?.probe} />
        </section>
        <section>
          <h3>sessions</h3>
          <Sessions server={server} detail={detail} />
        </section>
      </div>
      <section>
        <h3>container</h3>
        <Container server={server} detail={detail} />
      </section>
      {detail?.spec == null ? null : (
        <details class="spec">
          <summary>recorded spec</summary>
          <Lines text={detail.spec} label="recorded spec" />
        </details>
      )}
    </>
  );
}

const stepWords = { ok: '✓', failed: '✗', skipped: '–' } as const;

function Probe({
  server,
  steps,
}: {
  readonly server: PageServer;
  readonly steps: PageServerDetail['probe'] | undefined;
}) {
  const { now } = usePage();
  const { health } = server;
  return (
    <>
      <p>
        <Mark mark={healthMark(health)} />
        {health.checkedAt === null ? null : <span class="quiet"> asked {ago(health.checkedAt, now.value)}</span>}
      </p>
      {steps === undefined ? (
        <Nothing>asking …</Nothing>
      ) : steps.length === 0 ? (
        <Nothing>its steps are not known here</Nothing>
      ) : (
        <ol class="steps">
          {steps.map(({ name, result, milliseconds }) => (
            <li key={name} class={result === 'failed' ? 'bad' : result === 'ok' ? '' : 'quiet'}>
              <span aria-hidden="true">{stepWords[result]}</span> {visible(name)}
              <span class="unseen"> {result}</span>
              <span class="number">{milliseconds === null ? '' : duration(milliseconds)}</span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

function Sessions({ server, detail }: { readonly server: PageServer; readonly detail: PageServerDetail | undefined }) {
  const { sessions, callsPerMinute } = server;
  return (
    <>
      <p>
        {sessions === null ? 'not measured yet' : `${plural(sessions, 'session')} open`}
        <span class="quiet">
          {callsPerMinute === null ? '' : ` · ${plural(callsPerMinute, 'call')} in the last minute`}
        </span>
      </p>
      {detail === undefined || detail.sessions.length === 0 ? null : (
        <ul class="plainlist">
          {detail.sessions.map(({ principal, count }) => (
            <li key={principal}>
              {visible(principal)} <span class="number">{count}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

const listed = (items: readonly string[]): string => (items.length === 0 ? 'none' : items.map(visible).join(', '));

function Container({ server, detail }: { readonly server: PageServer; readonly detail: PageServerDetail | undefined }) {
  const { now } = usePage();
  const { limits, createdAt, image, source, transport, restarts } = server;
  const container = detail?.container;
  const rows: readonly (readonly [string, string])[] = [
    ...(createdAt === null
      ? []
      : [['age', `${age(now.value - Date.parse(createdAt))} · created ${shownTime(createdAt)}`] as const]),
    ...(container?.startedAt == null ? [] : [['started', shownTime(container.startedAt)] as const]),
    ['restarts', String(restarts)],
    ['transport', visible(transport)],
    ...(container == null ? [] : [['command', listedWords(container.command)] as const]),
    ...(image === null ? [] : [['image', shortImage(image)] as const]),
    ...(container == null
      ? []
      : [['container', visible(namesOfContainer(container.name, container.id).join(' '))] as const]),
    ['source', source === null ? 'unknown' : shortSource(source)],
    ...(limits === null
      ? []
      : [
          [
            'limits',
            limitsText({
              limits: {
                cpuCores: limits.cpuCores ?? 0,
                memoryMiB: Math.round((limits.memoryBytes ?? 0) / 1_048_576),
                pids: limits.processes ?? 0,
                executionTimeoutSeconds: container?.executionTimeoutSeconds ?? null,
              },
            }),
          ] as const,
        ]),
    ...(container == null
      ? []
      : ([
          ['networks', listed(container.networks)],
          ['egress', listed(container.egress)],
          ['secrets', listed(container.secrets)],
          ['user', visible(container.user)],
          ...(container.rotatesAt === null ? [] : [['rotates', shownTime(container.rotatesAt)] as const]),
          ...(container.callsLeft === null ? [] : [['calls left', String(container.callsLeft)] as const]),
        ] as const)),
  ];
  return (
    <dl class="rows">
      {rows.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

const listedWords = (command: readonly string[]): string => command.map(visible).join(' ') || 'the image’s own';
