import { describeReason, fieldsTold } from '../../src/cli/render/plan/reasons.ts';
import { shortSource } from '../../src/cli/render/servers/servers.ts';
import { visible } from '../../src/cli/render/text.ts';
import { alertEndWords } from '../../src/model/alerts.ts';
import { endedAsTold } from '../../src/model/health.ts';
import { duration, shownTime } from '../../src/model/times.ts';
import type { AlertTold, EngineTold, LifecycleEvent, LoomsDid } from '../../src/model/trail/lifecycle-events.ts';
import { Differences } from '../part/differences.tsx';
import { Nothing } from '../part/notes.tsx';
import { fragmentOf } from '../state/route.ts';
import { usePage } from '../state/store.ts';
import { timeOfDay } from '../state/words.ts';

/** What happened to a server, or to all of them, newest first: what the engine told, and what looms did and why. */
export function EventsView({ server, most }: { readonly server?: string; readonly most?: number }) {
  const { events } = usePage();
  const shown = events.value.items
    .filter((event) => server === undefined || event.server === server)
    .toReversed()
    .slice(0, most);
  if (shown.length === 0) return <Nothing>nothing happened that is known here</Nothing>;
  return (
    <ol class={server === undefined ? 'events of-all' : 'events'} reversed>
      {shown.map((event) => (
        <li key={event.id}>
          <time dateTime={event.ts} title={shownTime(event.ts)}>
            {timeOfDay(event.ts)}
          </time>
          {server !== undefined ? null : (
            <a href={fragmentOf({ of: 'server', server: event.server, tab: 'events' })}>{visible(event.server)}</a>
          )}
          <Happened event={event} />
        </li>
      ))}
    </ol>
  );
}

function Happened({ event }: { readonly event: LifecycleEvent }) {
  if (event.source === 'engine') return <Told event={event} />;
  return event.type === 'alert' ? <Alerted event={event} /> : <Did event={event} />;
}

/** That an alert began to fire, or resolved, and why where that was not by its number. */
function Alerted({ event: { rule, state, value, why } }: { readonly event: AlertTold }) {
  const isFiring = state === 'firing';
  return (
    <div class="what">
      <span class={isFiring ? 'bad' : 'good'}>{isFiring ? 'alert' : 'resolved'}</span> {visible(rule)}: {visible(value)}
      {why === undefined ? null : <span class="quiet"> ({alertEndWords[why]})</span>}
    </div>
  );
}

/** What the engine told of a container. */
function Told({ event }: { readonly event: EngineTold }) {
  const { type, generation, exitCode, health } = event;
  const isBad =
    type === 'oom' || health === 'unhealthy' || (type === 'ended' && exitCode !== undefined && !endedAsTold(exitCode));
  return (
    <div class="what">
      <span class={isBad ? 'bad' : 'quiet'}>{toldWords(event)}</span>
      <span class="quiet"> gen {generation}</span>
    </div>
  );
}

function toldWords({ type, exitCode, health }: EngineTold): string {
  switch (type) {
    case 'oom':
      return 'ran out of memory: the kernel ended something in it';
    case 'ended':
      return `ended with exit code ${exitCode ?? 'unknown'}`;
    case 'health':
      return `is ${visible(health ?? 'unknown')}, says its HEALTHCHECK`;
    case 'updated':
      return 'updated: somebody changed its limits or restart policy';
    default:
      return visible(type);
  }
}

/** What looms did, and the chain of causes: the reasons, the command, who, and the file or commit. */
function Did({ event }: { readonly event: LoomsDid }) {
  const { action, result, reasons, message, ms, cause, gen } = event;
  const fields = reasons.flatMap(fieldsTold);
  return (
    <div class="what">
      <strong>{visible(action)}</strong>
      {gen === undefined || gen.from === gen.to ? null : (
        <span class="quiet">{` gen ${gen.from ?? 'none'} → ${gen.to ?? 'none'}`}</span>
      )}
      {': '}
      <span class={result === 'done' ? 'good' : 'bad'}>{visible(result)}</span>
      {ms === undefined ? null : <span class="quiet"> in {duration(ms)}</span>}
      {message === undefined ? null : <p class="bad">{visible(message)}</p>}
      {reasons.map((reason, at) => (
        <p key={`${reason.kind} ${at}`}>because {describeReason(reason)}</p>
      ))}
      {fields.length === 0 ? null : <Differences fields={fields} label="fields" />}
      <p class="quiet">{causeWords(cause)}</p>
    </div>
  );
}

function causeWords({ command, principal, file, line, commit, author }: LoomsDid['cause']): string {
  const at = `${line === undefined ? '' : `:${line}`}${commit === undefined ? '' : `@${commit}`}`;
  const place = file === undefined ? '' : `, ${shortSource(file + at)}`;
  return `by ${visible(command)}, ${visible(principal)}${place}${author === undefined ? '' : ` by ${visible(author)}`}`;
}
