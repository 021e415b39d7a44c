import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { EntryRecord } from '../../app/connect/ports.ts';
import type { Ports } from '../../app/ports.ts';
import type { Rules } from '../../app/serve/live-rules.ts';
import type { ProjectName } from '../../model/ids.ts';
import { type ServeSettings, usualServe } from '../../model/serve-settings.ts';
import type { Bearers } from '../../serve/access/bearers.ts';
import type { Guarding } from '../../serve/access/guard.ts';
import type { Scan } from '../../serve/access/scan.ts';
import type { Near } from '../../serve/run.ts';
import type { Token } from '../../state/gateway-files.ts';
import type { Warm } from '../near/warm.ts';
import type { FoundProjectFile } from '../project/project-file.ts';
import type { Composition, Gateways, ServeOptions } from './composition.ts';

/** Where changes of a file are told, and how long it is followed. */
type Following = Pick<ServeOptions, 'log'> & { readonly signal: AbortSignal };

/** What a gateway is made of beside the ports. */
type Parts = Pick<Composition, 'policies' | 'readPolicies' | 'projectFile' | 'engineAddress'> & {
  /** The project file as it is by now. */
  readonly readProjectFile: () => Promise<FoundProjectFile | undefined>;
  readonly auditTrail: Warm['auditTrail'];
  readonly version: string;
};

/** Loaded by the commands that clients of servers have to do with; the rest needs none of it. */
export function gateways(ports: Ports, parts: Parts): Gateways {
  const { policies, readPolicies, projectFile, readProjectFile, engineAddress, auditTrail, version } = parts;
  const { files, environment, workingDirectory } = ports;
  const upstreamsFor = async (project: ProjectName, log: (text: string) => void) => {
    const { upstreamsOf } = await import('../../app/serve/upstreams.ts');
    const { openLink } = await import('../../mcp/link/open-link.ts');
    return upstreamsOf(
      ports,
      { project, policies, readPolicies, openLink, tracing: await ports.tracing() },
      ({ message, hint }) => log(hint === undefined ? message : `${message} (${hint})`),
    );
  };
  const serving = projectFile?.file.serve ?? usualServe;
  /** What each request to a gateway is held against; CEL is loaded by who has rules. */
  const guardingOf = async ({ policy, scan }: ServeSettings): Promise<Guarding> => {
    const judge = policy.length === 0 ? undefined : (await import('../../spec/check/call-rules.ts')).judgeOf(policy);
    return {
      ...(judge === undefined ? {} : { judge }),
      ...(scan === 'off' ? {} : { scan: await scanOf(scan) }),
    };
  };
  const scanOf = async (mode: 'mask' | 'deny'): Promise<Scan> => {
    const { createScan } = await import('../../serve/access/scan.ts');
    const { coverOf } = await import('../../secrets/cover.ts');
    return createScan(mode, coverOf(ports.mask));
  };
  const clientTokens: Gateways['clientTokens'] = async (project) => {
    const [{ createClientTokens }, { servePlaces }] = await Promise.all([
      import('../../state/client-tokens.ts'),
      import('../../state/gateway-files.ts'),
    ]);
    return createClientTokens(servePlaces(environment, project).tokens);
  };
  /** Who may do what by `serve` of looms.yaml: at the start, and as it says later; whoever takes no tokens looks up none. */
  const liveRules = async ({ log, signal }: Following, own: Token | 'takes-none' | undefined): Promise<() => Rules> => {
    const [{ followRules, sameIssuer }, { namedTokens }] = await Promise.all([
      import('../../app/serve/live-rules.ts'),
      import('../../app/serve/tokens.ts'),
    ]);
    const ready = async (settings: ServeSettings, before?: Rules): Promise<Rules> => {
      const { oidc } = settings;
      const isKnown = before !== undefined && sameIssuer(before, settings);
      const made = async () => oidc && (await import('../../serve/access/oidc.ts')).createIssued(oidc);
      return {
        settings,
        guarding: await guardingOf(settings),
        tokens: own === 'takes-none' ? [] : await namedTokens(ports, settings.tokens, own),
        issued: isKnown ? before.issued : await made(),
      };
    };
    const following = {
      read: async () => (await readProjectFile())?.file.serve ?? usualServe,
      ready: async (settings: ServeSettings, before: Rules) => {
        ports.forgetSecrets();
        return ready(settings, before);
      },
      hints: (changed: () => void, until: AbortSignal) =>
        files.watchFolders([projectFile?.folder ?? workingDirectory], changed, until),
      pause: ports.pause,
      log,
    };
    return followRules(await ready(serving), following, signal).now;
  };
  const serveStdio: Gateways['serveStdio'] = async (project, options) => {
    const { log } = options;
    const over = new AbortController();
    const [upstreams, bridge, now, { asSeen }] = await Promise.all([
      upstreamsFor(project, log),
      import('../../serve/stdio.ts'),
      liveRules({ log, signal: over.signal }, 'takes-none'),
      import('../../app/serve/live-rules.ts'),
    ]);
    const { aggregate: names } = serving;
    const streams = { stdin: process.stdin, stdout: process.stdout };
    await bridge
      .serveStdio(upstreams, { ...options, names, guarding: asSeen(now).guarding, version, ...streams })
      .finally(() => over.abort());
  };
  const nearFor = async ({ near, bounds }: ServeOptions): Promise<Near> => {
    const [openSession, { warmSessions }] = await Promise.all([
      ports.openSession(),
      import('../../mcp/client/warm-sessions.ts'),
    ]);
    const kept = warmSessions(openSession, { idleMs: bounds.idleMs, most: bounds.mostEach });
    const { orchestrator, tracing, recordHealth } = ports;
    const open = { orchestrator, openSession: kept.open, auditTrail, tracing, recordHealth };
    const commands = near(open, await engineAddress());
    return {
      take: commands.take,
      kept: kept.kept,
      close: async () => {
        commands.stop();
        await kept.close();
      },
    };
  };
  const bearersOf = async (project: ProjectName, now: () => Rules): Promise<Bearers> => {
    const [tokens, { createBearers }, { madeTokens }, { issuedNow }] = await Promise.all([
      clientTokens(project),
      import('../../serve/access/bearers.ts'),
      import('../../app/serve/tokens.ts'),
      import('../../app/serve/live-rules.ts'),
    ]);
    return createBearers(() => [...now().tokens, ...madeTokens(tokens.list())], issuedNow(now));
  };
  /** What the page of a gateway shows and does, and its files. */
  const pageFor = async (project: ProjectName, { root, ...parts }: ServeOptions['page']) => {
    const [{ createPageSource }, { createAssets }, { pageWords: words }] = await Promise.all([
      import('../../app/page/page-source.ts'),
      import('../../serve/page/assets.ts'),
      import('../render/page-words.ts'),
    ]);
    const source = createPageSource(ports, { project, version, words, readPolicies, ...parts });
    return { source, assets: createAssets(join(root, 'dist', 'web')) };
  };
  const serve: Gateways['serve'] = async (project, options) => {
    const { listen, log, bounds, sse, loop, measured } = options;
    const [near, upstreams, { runGateway }, { createSeal, maxAgeMs }, files, { sessionNotes }] = await Promise.all([
      nearFor(options),
      upstreamsFor(project, log),
      import('../../serve/run.ts'),
      import('../../serve/sessions/seal.ts'),
      import('../../state/gateway-files.ts'),
      import('../../state/session-notes.ts'),
    ]);
    const { noteAddress, sealKeyOfFile, servePlaces, tokenOfFile } = files;
    const places = servePlaces(environment, project);
    const isConfigured = serving.tokens.length > 0 || serving.oidc !== undefined;
    const named = listen?.tokenFile ?? (isConfigured ? undefined : places.tokenFile);
    const tokenFile = listen === undefined || named === undefined ? undefined : resolve(named);
    const token = tokenFile === undefined ? undefined : tokenOfFile(tokenFile, places.tokenFile);
    const page = await pageFor(project, options.page);
    const over = new AbortController();
    const now = await liveRules({ log, signal: over.signal }, listen === undefined ? 'takes-none' : token);
    const tcp =
      listen === undefined
        ? undefined
        : { host: listen.host, port: listen.port, bearers: await bearersOf(project, now) };
    const { asSeen } = await import('../../app/serve/live-rules.ts');
    const running = await runGateway(upstreams, {
      bounds,
      page,
      seal: createSeal(sealKeyOfFile(places.sealFile), project),
      notes: sessionNotes(places.notesFile, { keepMs: maxAgeMs, onFault: log }),
      sse,
      version,
      log,
      near,
      loop,
      measured,
      ...asSeen(now),
      socket: places.socket,
      tcp,
    }).catch((error: unknown) => {
      over.abort();
      throw error;
    });
    // A port that was free is another one the next time, and no address to give to clients.
    const forget = noteAddress(places.address, listen?.port === 0 ? undefined : running.url);
    const close = async (): Promise<void> => {
      forget();
      over.abort();
      await page.source.close();
      await running.close();
    };
    return { ...running, close, ...(tokenFile === undefined ? {} : { tokenFile }) };
  };
  const tellOfLoop: Gateways['tellOfLoop'] = async (project, loop, where) => {
    const { runStatus } = await import('../../serve/run.ts');
    const { engineAnswers } = await import('../../app/serve/upstreams.ts');
    return runStatus(loop, { ...where, version, engineAnswers: () => engineAnswers(ports, project) });
  };
  const pageLogin: Gateways['pageLogin'] = async (project) => {
    const [{ askForCode }, { servePlaces }] = await Promise.all([
      import('../../serve/page/ask-for-code.ts'),
      import('../../state/gateway-files.ts'),
    ]);
    return askForCode(servePlaces(environment, project).socket);
  };
  const connecting: Gateways['connecting'] = async (project) => {
    const [{ tryEntry }, { entryRecords }, gateway] = await Promise.all([
      import('../../mcp/client/try-entry.ts'),
      import('../../state/client-entries.ts'),
      import('../../state/gateway-files.ts'),
    ]);
    const places = gateway.servePlaces(environment, project);
    return {
      ports: {
        files,
        workingDirectory,
        servers: async () => {
          const { servers } = await (await ports.orchestrator()).servers(project);
          return servers.map(({ name }) => name);
        },
        names: serving.aggregate,
        place: { platform: process.platform, home: environment.HOME || homedir(), environment },
        records: entryRecords<EntryRecord>(environment),
        tryEntry: (entry, folder) => tryEntry(entry, { folder, version }),
        readToken: gateway.findToken,
      },
      url: await gateway.findAddress(places),
      tokenFile: places.tokenFile,
    };
  };
  return { serve, tellOfLoop, pageLogin, clientTokens, serveStdio, connecting };
}
