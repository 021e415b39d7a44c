import type { ServerContainer } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import { idOfPod, type Observed } from '../model/observed.ts';
import { statusOf } from './state.ts';

/** `Orchestrator.instances`: the pods of servers, sorted by server and generation. */
export const containersOf = ({ servers }: Observed): readonly ServerContainer[] =>
  servers.flatMap(({ server, generations }) =>
    generations.flatMap(({ claim, pods }) =>
      pods.map((pod): ServerContainer => {
        const { status } = statusOf(pod);
        const { recorded, foreignRecord, secretPrints, generation } = claim;
        return {
          id: idOfPod(pod),
          name: pod.metadata.name,
          server,
          generation,
          ...defined({ recorded, foreignRecord, secretPrints }),
          status: status === 'running' || status === 'restarting' ? status : 'stopped',
        };
      }),
    ),
  );
