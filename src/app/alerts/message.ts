import { createHmac } from 'node:crypto';
import type { AlertReceiver } from '../../model/alerts.ts';
import type { EnvValue } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { writtenRef } from '../../model/secrets/secret-names.ts';
import { isoTime } from '../../model/times.ts';
import { defined } from '../../model/values/defined.ts';
import { sha256 } from '../../model/values/sha256.ts';
import { ulid } from '../../model/values/ulid.ts';
import { resolveEnv } from '../../secrets/resolve-env.ts';
import type { Ports } from '../ports.ts';
import type { Owed } from './book.ts';

/** What a receiver of alerts gets by POST. */
export type AlertMessage = {
  /** Version of this form. */
  readonly v: 1;
  /** A ULID: the same in each try to tell the same. */
  readonly id: string;
  /** RFC 3339, UTC, with milliseconds. */
  readonly ts: string;
  readonly type: 'alerts';
  readonly project: ProjectName;
  /** The engine's own id. */
  readonly engine: string;
  readonly alerts: readonly {
    /** As it is written in looms.yaml. */
    readonly rule: string;
    readonly server: ServerName;
    readonly state: 'firing' | 'resolved';
    /** It was told before, and fires still. */
    readonly reminder: boolean;
    /** For people: `93 %`. */
    readonly value: string;
    readonly since: string;
    readonly firedAt: string;
    readonly resolvedAt?: string;
    /** Why it resolved where it was not by its number: stopped, no-server, no-rule. */
    readonly why?: string;
  }[];
};

/** What is owed to a receiver, as one message. */
export function alertMessage(
  { project, engine }: Pick<AlertMessage, 'project' | 'engine'>,
  owed: readonly Owed[],
  now: number,
): AlertMessage {
  const key = owed.map(({ alert, since }) => [alert.rule, alert.server, alert.state, alert.firedAt, since]);
  return {
    v: 1,
    id: ulid(Math.min(...owed.map(({ since }) => since)), JSON.stringify([engine, project, key])),
    ts: isoTime(now),
    type: 'alerts',
    project,
    engine,
    alerts: owed.map(({ alert, isReminder }) => ({
      rule: alert.rule,
      server: alert.server,
      state: alert.state,
      reminder: isReminder,
      value: alert.value,
      since: isoTime(alert.since),
      firedAt: isoTime(alert.firedAt),
      ...(alert.state === 'resolved' ? { resolvedAt: isoTime(alert.resolvedAt), ...defined({ why: alert.why }) } : {}),
    })),
  };
}

/** The headers of Standard Webhooks 1.0: what is signed is `id.time.body`; `time` in seconds since 1970. */
export function signedHeaders(
  { id, time, body }: { readonly id: string; readonly time: number; readonly body: string },
  secret: string | null,
): Readonly<Record<string, string>> {
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(time) };
  if (secret === null) return headers;
  const prefix = 'whsec_';
  const key = secret.startsWith(prefix) ? Buffer.from(secret.slice(prefix.length), 'base64') : Buffer.from(secret);
  const signature = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${signature}` };
}

/** The least length of what signs messages, characters: a shorter one could be guessed. */
const leastSecret = 16;

async function textOf({ secrets }: Pick<Ports, 'secrets'>, what: string, value: EnvValue): Promise<string> {
  const { values, missing } = await resolveEnv({ value }, secrets);
  const [first] = missing;
  if (first === undefined) return values.value ?? '';
  const { ref } = first;
  throw new LoomsError('secret-missing', `alert_to: its ${what} needs ${writtenRef(ref)}, which is nowhere`, {
    hint: `${ref.from === 'provider' ? `looms config set-key ${ref.name}` : `set ${ref.name}`}${what === 'secret' ? ', or write unsigned: true' : ''}`,
  });
}

/** Where messages to a receiver go, and what signs them. Throws `secret-missing`, `usage`, and what the stores throw. */
export async function receiverAddress(
  ports: Pick<Ports, 'secrets'>,
  { url, secret }: AlertReceiver,
): Promise<{ readonly url: string; readonly secret: string | null }> {
  const [at, key] = await Promise.all([
    textOf(ports, 'url', url),
    secret === null ? null : textOf(ports, 'secret', secret),
  ]);
  if (!/^https?:\/\//i.test(at)) {
    throw new LoomsError('usage', 'alert_to: its url is no address', { hint: 'it begins with https:// or http://' });
  }
  if (key !== null && key.length < leastSecret) {
    throw new LoomsError(
      'usage',
      `alert_to: its secret could be guessed: it has fewer than ${leastSecret} characters`,
      {
        hint: 'for example: openssl rand -hex 32',
      },
    );
  }
  return { url: at, secret: key };
}

/** What a receiver is called where nobody should read its address: a digest of what the file says of it. */
export const receiverKey = ({ url, secret }: AlertReceiver): string =>
  sha256(JSON.stringify([url, secret])).slice(0, 16);

/**
 * The headers of another message to an address: signed as alerts are, with the secret of the entry of `alert_to` that has
 * the same address, where there is one. `now` in ms since 1970. Throws what keeps that secret from being had, as
 * `receiverAddress`: a message that is to be signed is not sent without its signature.
 */
export async function headersTo(
  ports: Pick<Ports, 'secrets'>,
  receivers: readonly AlertReceiver[],
  { url, body, now }: { readonly url: string; readonly body: string; readonly now: number },
): Promise<Readonly<Record<string, string>>> {
  const urls = await Promise.all(
    // One whose address cannot be had has none to compare, which the loop tells.
    receivers.map((receiver) => textOf(ports, 'url', receiver.url).catch(() => undefined)),
  );
  const same = receivers[urls.indexOf(url)];
  const secret = same === undefined ? null : (await receiverAddress(ports, same)).secret;
  return signedHeaders({ id: ulid(now, body), time: Math.floor(now / 1000), body }, secret);
}
