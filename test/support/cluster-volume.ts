import { stringify } from 'yaml';
import { kubectl, kubectlSays } from './kubectl.ts';
import { emptyFolder } from './looms.ts';

/** A volume for the claim `looms-data` of a namespace: nothing makes volumes on a cluster for tests. */
export function clusterVolume(namespace: string): {
  readonly make: () => Promise<void>;
  readonly remove: () => Promise<void>;
} {
  const name = `${namespace}-data`;
  return {
    async make() {
      const spec = {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        hostPath: { path: emptyFolder(), type: 'DirectoryOrCreate' },
        claimRef: { namespace, name: 'looms-data' },
      };
      const volume = { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name }, spec };
      await kubectlSays(['apply', '-f', '-'], stringify(volume));
    },
    remove: async () => void (await kubectl(['delete', 'persistentvolume', name, '--wait=false'])),
  };
}
