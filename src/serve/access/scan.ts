import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { withResult } from '../messages/message.ts';
import type { Message } from '../messages/protocol.ts';

/** Looks for secrets in what is said to servers and by them. */
export type Scan = {
  /** The request without them. Throws `refused` where they are not to be masked. */
  readonly request: <M extends Message>(message: M) => M;
  /** The text of an answer without them. Throws `refused` where they are not to be masked. */
  readonly answer: (text: string) => string;
};

/** A text without the secrets in it. */
type Cover = (text: string) => string;

/** A scan that masks, or refuses; `cover` masks in one text. */
export function createScan(mode: 'mask' | 'deny', cover: Cover): Scan {
  const covered = (value: unknown): unknown => {
    if (typeof value === 'string') return cover(value);
    if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return value;
    let changed: Record<string, unknown> | unknown[] | undefined;
    for (const [key, inner] of Object.entries(value)) {
      const own = covered(inner);
      const name = Array.isArray(value) ? key : cover(key);
      if (own === inner && name === key) continue;
      changed ??= Array.isArray(value) ? [...value] : { ...value };
      if (name !== key) Reflect.deleteProperty(changed, key);
      Reflect.set(changed, name, own);
    }
    return changed ?? value;
  };
  const refuse = (where: string): LoomsError =>
    new LoomsError('refused', `${where} a secret`, { hint: 'serve.scan of looms.yaml refuses it' });
  return {
    request(message) {
      const params = covered(message.params);
      if (params === message.params) return message;
      if (mode === 'deny') throw refuse('the request holds');
      return { ...message, params };
    },
    answer(text) {
      const { result, error } = JSON.parse(text);
      if (covered(result) === result && covered(error) === error) return text;
      if (mode === 'deny') throw refuse('the answer of the server holds');
      if (isRecord(result)) return withResult(text, (whole) => covered(whole) as object);
      return JSON.stringify(covered(JSON.parse(text)));
    },
  };
}
