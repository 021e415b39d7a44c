import { LoomsError } from '../../model/errors.ts';
import { failureOf } from '../../model/failure.ts';
import type { EngineAttempt, OrchestratorPorts, SingleOrchestrator } from '../../orchestrator/port.ts';
import type { Member } from '../../orchestrator/several/members.ts';
import type { MemberEngine } from '../../spec/project-file.ts';
import { wishOfFile } from './engine-choice.ts';
import { once } from './lazy.ts';
import { singleSource } from './single-source.ts';
import type { EngineSource, Environment, SingleSource, SourceParts } from './source-parts.ts';

/** Variables that name one engine say nothing of one that the file names. */
const withoutEngine = (environment: Environment): Environment => ({
  ...environment,
  DOCKER_HOST: undefined,
  DOCKER_CONTEXT: undefined,
});

/** An engine of looms.yaml, looked for when it is first asked. */
type MemberSource = { readonly engine: MemberEngine; readonly look: () => Promise<SingleSource> };

function memberSource(engine: MemberEngine, parts: SourceParts): MemberSource {
  // What the file names is taken, whatever the environment says.
  const wish = wishOfFile(engine.named, []);
  const environment = engine.named === undefined ? parts.environment : withoutEngine(parts.environment);
  const own = { ...parts, environment, registry: engine.registry };
  const look = once(
    () => singleSource(wish, own),
    ({ address }) => address !== undefined,
  );
  return { engine, look };
}

function memberOf({ engine, look }: MemberSource): Member {
  let connected: SingleOrchestrator | undefined;
  const orchestrator = once(async () => {
    connected = await (await look()).connect();
    return connected;
  });
  const { name, labels, weight, cost, lostAfterMs } = engine;
  return { name, labels, weight, cost, lostAfterMs, orchestrator, close: async () => connected?.close() };
}

/** Where the engines were looked for; of one that cannot be, why. */
async function attemptsOf({ engine, look }: MemberSource): Promise<readonly EngineAttempt[]> {
  const { name } = engine;
  try {
    const { attempts } = await look();
    // What was not set says nothing where the file itself names the engine.
    return attempts
      .filter(({ outcome }) => engine.named === undefined || outcome !== 'not-set')
      .map((one) => ({ ...one, origin: `${name}: ${one.origin}` }));
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    return [{ origin: name, outcome: 'refused', detail: failureOf(error).message }];
  }
}

/** What tells these engines from others, by where each was found; one that was not is told by that. */
const addressOf = (members: readonly MemberSource[], found: readonly (SingleSource | undefined)[]): string =>
  `several:${JSON.stringify(members.map(({ engine }, index) => [engine.name, found[index]?.address ?? null]))}`;

/** The engines that looms.yaml names, as one. Each is connected to by itself, and one that cannot be keeps no other one. */
export async function severalSource(engines: readonly MemberEngine[], parts: SourceParts): Promise<EngineSource> {
  const { idOfSeveral } = await import('../../orchestrator/several/describe.ts');
  // What is kept of a server is kept under all engines: it is the same server wherever it runs.
  const needs = async (): Promise<OrchestratorPorts> => {
    const own = await parts.needs();
    return { ...own, keepLog: (at, of, options) => own.keepLog({ ...at, engine: idOfSeveral }, of, options) };
  };
  const members = engines.map((engine) => memberSource(engine, { ...parts, needs }));
  const found = await Promise.all(members.map(({ look }) => look().catch(() => undefined)));
  return {
    attempts: (await Promise.all(members.map(attemptsOf))).flat(),
    address: addressOf(members, found),
    isLocal: found.every((source) => source?.isLocal === true),
    at: async (path) => {
      for (const source of found) {
        const part = await source?.at(path);
        if (part !== undefined) return part;
      }
      return undefined;
    },
    connect: async () => {
      const { severalOrchestrator } = await import('../../orchestrator/several/orchestrator.ts');
      return severalOrchestrator(members.map(memberOf), await needs());
    },
  };
}
