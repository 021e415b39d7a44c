import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { SavedPlan } from '../../app/plan/saved-plan.ts';
import type { Ports } from '../../app/ports.ts';
import { LoomsError } from '../../model/errors.ts';
import { readPolicyFiles } from '../project/policy-files.ts';
import { pathsOfPlan, readProjectFile } from '../project/project-file.ts';
import { allPolicies, rulesAnew } from '../project/rules-anew.ts';
import { renderNotice } from '../render/error.ts';
import { palette } from '../terminal/palette.ts';
import { isAlive, processSpace, userName } from '../terminal/this-process.ts';
import type { Composition, Settings } from './composition.ts';
import { enginesNamed } from './engine-choice.ts';
import { engineSource } from './engine-source.ts';
import { lazily, once } from './lazy.ts';
import { localPorts, tracingFor, versionIn } from './local-ports.ts';
import { secretStores, watched } from './secret-stores.ts';

/** Characters of specs, some 200 servers, from which on memory counts for more than a start. */
const manySpecs = 200_000;

/**
 * Passes on what is read of specs. Where that is a lot, V8's young generation stays as large as it is: for a thousand
 * servers it would grow to 64 MiB beside a heap of 50, and the run would be no faster. Not done at the start, since V8
 * takes no cached code that was made under other flags, nor may it make any: the flag goes back at the end.
 */
function boundsMemory(): (text: string) => Promise<string> {
  let seen = 0;
  let isBounded = false;
  return async (text) => {
    seen += text.length;
    if (seen < manySpecs || isBounded) return text;
    isBounded = true;
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString('--semi-space-growth-factor=1');
    process.once('exit', () => setFlagsFromString('--semi-space-growth-factor=2'));
    return text;
  };
}

/** Files of this machine, of which it is counted how much is read. */
function countedFiles(files: Ports['files'], count: (text: string) => Promise<string>): Ports['files'] {
  return {
    ...files,
    readText: async (path) => {
      const read = await files.readText(path);
      return read.done ? { ...read, text: await count(read.text) } : read;
    },
  };
}

/** Writes each warning once. */
function warningsTo(write: (line: string) => void, redact: (text: string) => string): Ports['warn'] {
  const warned = new Set<string>();
  return (notice) => {
    const line = `looms: ${renderNotice('warning', notice, palette(false))}`;
    if (!warned.has(line)) write(`${redact(line)}\n`);
    warned.add(line);
  };
}

/** What ends with the program: what was begun last is ended first, as the end of a session still looks into the ledger. */
function createEndings(): { readonly atEnd: Ports['atEnd']; readonly endAll: () => Promise<void> } {
  const endings = new Set<() => Promise<void>>();
  return {
    atEnd: (work) => {
      endings.add(work);
      return () => void endings.delete(work);
    },
    endAll: async () => {
      for (const work of [...endings].reverse()) await work();
      endings.clear();
    },
  };
}

const pauseFor: Ports['pause'] = async (milliseconds, signal) => {
  try {
    await pause(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
};

/** The saved plan that a command carries out, when it does. Throws what `readPlanFile` throws. */
async function readSettingsPlan(
  place: Pick<Ports, 'files' | 'workingDirectory'>,
  { planFile }: Settings,
): Promise<SavedPlan | undefined> {
  if (planFile === undefined) return undefined;
  return (await import('../../app/plan/plan-file.ts')).readPlanFile(place, planFile);
}

/** Connections are made once for a program, and what is kept of servers goes by them. */
const otherEngines = {
  message: 'looms.yaml names other engines by now than when this program began',
  hint: 'start it anew: until then it keeps to those that it began with, and its loop changes nothing',
} as const;

/**
 * Puts the program together: this room alone knows which adapter stands behind a port. Adapters are imported when a port
 * is used for the first time, since most commands need few of them and each costs start-up time.
 */
export async function compose(settings: Settings): Promise<Composition> {
  const { program, command, managedBy } = settings;
  const { environment, workingDirectory, warm } = program;
  const { localFiles } = await import('../../files/local-files.ts');
  const sized = boundsMemory();
  const files = countedFiles(localFiles(environment, workingDirectory), sized);
  const place = { files, workingDirectory };
  const savedPlan = await readSettingsPlan(place, settings);
  const specPaths = savedPlan === undefined ? settings.specPaths : await pathsOfPlan(place, savedPlan.files);
  const reading = {
    readProject: () => readProjectFile(place, specPaths, environment),
    readPolicyFiles: () => readPolicyFiles(place, environment),
    pause: pauseFor,
  };
  const found = await Promise.all([reading.readProject(), reading.readPolicyFiles()]);
  const [projectFile] = found;
  const policies = allPolicies(found);
  const anew = rulesAnew({ projectFile, policies }, reading);
  const engines = enginesNamed(settings, projectFile?.file);
  const requireSameEngines = async (): Promise<void> => {
    // What is wrong with a file is said by who reads it for its rules.
    const read = await anew.readProjectFile().catch(() => projectFile);
    if (!isDeepStrictEqual(enginesNamed(settings, read?.file), engines)) {
      throw new LoomsError('refused', otherEngines.message, { hint: otherEngines.hint });
    }
  };
  const { close, engineAddress, ...engineParts } = engineSource(settings, projectFile?.file, () => ports);
  const { proxyPasswords } = await import('../../image/proxies.ts');
  const stores = secretStores(environment, projectFile?.file.secretProviders ?? [], files.readRegular);
  let lookUp = once(stores.all);
  const forgetSecrets = (): void => {
    lookUp = once(stores.all);
  };
  const { secrets, redact } = await watched(() => lookUp(), proxyPasswords(environment));
  const warn = warningsTo((line) => void program.stderr.write(line), redact);
  const whoAmI = { user: userName(), host: hostname(), pid: program.pid, ...processSpace(), command };
  const { atEnd, endAll } = createEndings();
  const local = localPorts(settings, whoAmI, { redact, warn, atEnd });
  // One for the program: what leads to a server is shared by all sessions to it.
  const sessions = once(
    async () => warm?.openSession ?? (await import('../../mcp/client/connect.ts')).createSessionSource(local.findings),
  );
  const endpoint = projectFile?.file.serve?.telemetry?.endpoint;
  const tracing = once(() => warm?.tracing() ?? tracingFor(settings, endpoint, { warn, atEnd }));
  const ports: Ports = {
    ...engineParts,
    tracing,
    openSession: sessions,
    secrets,
    forgetSecrets,
    mask: redact,
    warn,
    ...local.ports,
    findings: local.findings,
    files,
    environment,
    workingDirectory,
    readStdin: async () => sized(await text(program.stdin)),
    pause: pauseFor,
    managedBy,
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    atEnd,
    processIsAlive: isAlive,
    whoAmI,
  };
  const closeAll = async (): Promise<void> => {
    await endAll();
    await close();
  };
  const clients = lazily(async () =>
    (await import('./gateway.ts')).gateways(ports, {
      policies,
      readPolicies: async () => {
        await requireSameEngines().catch(() => warn({ code: 'engines-changed', ...otherEngines }));
        return anew.readPolicies();
      },
      projectFile,
      engineAddress,
      readProjectFile: anew.readProjectFile,
      auditTrail: local.auditTrail,
      version: versionIn(managedBy),
    }),
  );
  return {
    ports,
    engineAddress,
    projectFile,
    policies,
    readPolicies: anew.readPolicies,
    requireSameEngines,
    readAlerts: anew.readAlerts,
    savedPlan,
    secretStores: stores,
    serve: clients.serve,
    tellOfLoop: clients.tellOfLoop,
    pageLogin: clients.pageLogin,
    clientTokens: clients.clientTokens,
    serveStdio: clients.serveStdio,
    connecting: clients.connecting,
    exporter: async (target) =>
      target === 'kubernetes'
        ? (await import('../../kubernetes/objects/objects.ts')).kubernetesExporter
        : (await import('../../docker/export/compose-file.ts')).composeExporter,
    redact,
    close: closeAll,
  };
}
