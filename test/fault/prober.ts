import { callTool } from '../../src/app/talk/call-tool.ts';
import { compose } from '../../src/cli/compose/compose.ts';
import { thisProgram } from '../../src/cli/terminal/program.ts';
import { asProjectName, asServerName } from '../../src/model/ids.ts';

/**
 * A process that calls tools all the time, past the proxy: `prober.ts PROJECT SERVER:TOOL…`. Prints one JSON line a
 * call. Nothing is tried twice. Ends with its stdin.
 */
const [project = '', ...probes] = process.argv.slice(2);
const { ports, close } = await compose({
  host: undefined,
  context: undefined,
  program: thisProgram(),
  command: 'prober',
  managedBy: 'looms/test',
  goesOn: true,
  trustRecord: true,
  specPaths: [],
  askForTrust: async () => true,
});
let over = false;
process.stdin.resume().once('end', () => {
  over = true;
});
while (!over) {
  for (const probe of probes) {
    const [server = '', tool = ''] = probe.split(':');
    const words = tool === 'echo' ? ['text=there'] : [];
    const request = {
      project: asProjectName(project),
      server: asServerName(server),
      tool,
      arguments: { kind: 'words', words } as const,
      auditArguments: false,
      policies: [],
    };
    const began = Date.now();
    const error = await callTool(ports, request, { onWarning: () => undefined }).then(
      ({ result }) => (result.isError === true ? 'isError' : undefined),
      (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
    );
    console.log(JSON.stringify({ server, began, ended: Date.now(), ...(error === undefined ? {} : { error }) }));
    await ports.pause(100);
  }
}
await close();
