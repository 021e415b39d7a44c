import { Client, type JsonSchemaValidator } from '@modelcontextprotocol/client';
import type { ProtocolChoice } from '../../model/desired.ts';

/** How we introduce ourselves; the version is the package's (a test compares them). */
export const clientInfo = { name: 'looms', version: '0.1.0' };

/**
 * A client that answers ping, and questions when `canAnswer`; sampling and roots are refused with "method not found",
 * questions in URL mode with "invalid params". Output schemas are not compiled: a broken one, or a remote `$ref`, must
 * not stop a call. `probeTimeoutMs` bounds the probe of a choice that needs one.
 */
export function createClient(
  protocol: ProtocolChoice,
  { probeTimeoutMs, canAnswer }: { readonly probeTimeoutMs: number; readonly canAnswer: boolean },
): Client {
  const client = new Client(clientInfo, {
    capabilities: canAnswer ? { elicitation: { form: {} } } : {},
    jsonSchemaValidator: {
      getValidator:
        <T>(): JsonSchemaValidator<T> =>
        (input: unknown) => ({ valid: true, data: input as T, errorMessage: undefined }),
    },
    versionNegotiation: {
      mode: protocol === '2026-07-28' ? { pin: protocol } : protocol,
      probe: { timeoutMs: probeTimeoutMs },
    },
  });
  // Out-of-band reports (a second answer to one request, a notification nobody asked for): not errors of a session. What
  // matters also fails the request it belongs to.
  client.onerror = () => {};
  return client;
}
