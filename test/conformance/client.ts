import { createQuestionnaire } from '../../src/app/talk/answer-questions.ts';
import { openSession } from '../../src/mcp/client/connect.ts';
import { localEngine, targetFor } from '../unit/mcp/local-engine.ts';

// The client that the conformance suite tests: our own sessions over HTTP, their relay's command run on this machine. The
// suite gives the server's address as the last argument, and scenario, revision and context as variables.

type ToolCall = { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };

const url = new URL(process.argv.at(-1) ?? '');
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? '';
const protocol = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION === '2026-07-28' ? '2026-07-28' : 'legacy';
const context: { readonly toolCalls?: readonly ToolCall[] } = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');

const target = {
  ...targetFor(localEngine().engine, [], {
    mcp: { protocol, transport: { kind: 'streamable-http', port: Number(url.port), path: url.pathname } },
  }),
  reach: { way: 'relay', host: url.hostname },
};

const { answer } = createQuestionnaire(new Map([['confirmed', ['yes']]]), undefined, () => {});
// Many of these run at once.
const session = await openSession(target, { connectTimeoutMs: 60_000, ...(answer === undefined ? {} : { answer }) });
try {
  const { tools } = await session.listTools();
  const focal = tools.find(({ name }) => name === 'json_schema_2020_12_tool');
  const calls: readonly ToolCall[] =
    scenario === 'json-schema-2020-12-preservation'
      ? [{ name: 'json_schema_echo', arguments: { schema: focal?.inputSchema } }]
      : scenario === 'json-schema-ref-no-deref' // Its server lists a tool and answers no call.
        ? []
        : (context.toolCalls ?? tools.map(({ name }) => ({ name, arguments: { a: 5, b: 3 } })));
  for (const call of calls) await session.callTool(call.name, call.arguments, { timeoutMs: 60_000 });
} finally {
  await session.close();
}
