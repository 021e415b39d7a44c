import type { ServerName } from '../../model/ids.ts';
import { defined } from '../../model/values/defined.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { Pod } from '../model/objects.ts';
import { idOfPod, type Observed, type Workload } from '../model/observed.ts';
import { lookAtServer } from '../observe/observe.ts';
import type { KubernetesPorts } from '../ports.ts';

type Place = { readonly ports: KubernetesPorts; readonly observed: Observed };
/** Of a project it is enough to know which one of which cluster it is. */
type KeptPlace = Pick<Place, 'ports'> & {
  readonly observed: Pick<Observed, 'project'> & { readonly engine: Pick<Observed['engine'], 'id'> };
};

/** Keeps the logs of pods that are about to go. Why one could not be kept, for people; the work goes on in any case. */
export async function keepLogsOf(
  { ports, observed }: KeptPlace,
  { server, generations }: Workload,
  which: (pod: Pod) => boolean,
  { signal }: CallOptions,
): Promise<string | undefined> {
  const place = { engine: observed.engine.id, project: observed.project };
  let problem: string | undefined;
  for (const { claim, pods } of generations) {
    const { recorded, foreignRecord, secretPrints, generation } = claim;
    for (const pod of pods.filter(which)) {
      const of = { container: idOfPod(pod), server, generation };
      const logged = { ...of, ...defined({ spec: recorded?.spec, foreignRecord, secretPrints }) };
      problem ??= await ports.keepLog(place, logged, { sessions: ports.sessions, signal });
    }
  }
  return problem;
}

/** Keeps the logs of all pods that a server has by now; as `keepLogsOf`. */
export async function keepLogs(place: Place, server: ServerName, options: CallOptions): Promise<string | undefined> {
  const workload = await lookAtServer(place.ports, place.observed, server, options);
  return workload === null ? undefined : keepLogsOf(place, workload, () => true, options);
}
