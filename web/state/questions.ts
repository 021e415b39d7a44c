import type { Schema } from '../../src/mcp/client/arguments/schema.ts';
import { isRecord } from '../../src/model/values/is-record.ts';

/** Something that a server wants to know before it goes on with a call. */
export type Question = { readonly key: string; readonly message: string; readonly schema: Schema };

/** What a result asks for, and what is sent back with the answers. */
export type Questions = { readonly list: readonly Question[]; readonly requestState: string | undefined };

/**
 * The questions of a result that can be answered in a form, which are all that the page says it takes; undefined where it
 * is no result that asks.
 */
export function questionsIn({
  resultType,
  inputRequests,
  requestState,
}: Readonly<Record<string, unknown>>): Questions | undefined {
  if (resultType !== 'input_required') return undefined;
  const list = Object.entries(isRecord(inputRequests) ? inputRequests : {}).flatMap(([key, wanted]) => {
    const { method, params } = isRecord(wanted) ? wanted : {};
    const { message, requestedSchema } = isRecord(params) ? params : {};
    if (method !== 'elicitation/create' || !isRecord(requestedSchema)) return [];
    return [{ key, message: typeof message === 'string' ? message : '', schema: requestedSchema }];
  });
  return { list, requestState: typeof requestState === 'string' ? requestState : undefined };
}
