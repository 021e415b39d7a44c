import { AsyncLocalStorage } from 'node:async_hooks';
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { defined } from '../../model/values/defined.ts';
import type { CallHooks } from './session.ts';

/** Whose hooks hear of what a server sends beside its answers. */
export type HooksInUse = {
  /** Does the work of one call, whose hooks these are. */
  readonly during: <T>(hooks: CallHooks, work: () => Promise<T>) => Promise<T>;
  /** Those of the call that is under way; none between calls, or while there are several: nothing says whose it is then. */
  readonly ofOnlyCall: () => CallHooks | undefined;
  /** Those of the call whose answer is being handled, which asks in the stateless revisions; else as above. */
  readonly ofCaller: () => CallHooks | undefined;
  /** Hears of each message that is sent, and of each that comes before the SDK handles it. */
  readonly sending: (message: JSONRPCMessage) => void;
  readonly heard: (message: JSONRPCMessage) => void;
};

export function createHooksInUse(): HooksInUse {
  const own = new AsyncLocalStorage<CallHooks | undefined>();
  const byRequest = new Map<unknown, CallHooks>();
  const underWay = new Set<CallHooks>();
  const ofOnlyCall = (): CallHooks | undefined => (underWay.size === 1 ? [...underWay][0] : undefined);
  return {
    async during({ onProgress, onLog, onQuestion }, work) {
      // An object of its own: a caller may give the same hooks to two calls.
      const hooks: CallHooks = defined({ onProgress, onLog, onQuestion });
      underWay.add(hooks);
      try {
        return await own.run(hooks, work);
      } finally {
        underWay.delete(hooks);
        for (const [id, whose] of byRequest) if (whose === hooks) byRequest.delete(id);
      }
    },
    ofOnlyCall,
    ofCaller: () => own.getStore() ?? ofOnlyCall(),
    sending(message) {
      const hooks = own.getStore();
      if (hooks !== undefined && 'method' in message && 'id' in message) byRequest.set(message.id, hooks);
    },
    heard(message) {
      // The SDK handles an answer in the context of the transport, which is nobody's.
      own.enterWith('method' in message ? undefined : byRequest.get(message.id));
    },
  };
}
