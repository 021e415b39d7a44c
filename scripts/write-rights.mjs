import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterRights, probeRights, projectRights } from '../src/kubernetes/model/rights.ts';
import { roleText } from './lib/role.mjs';
import { root } from './lib/root.mjs';

/** Writes the roles of deploy/kubernetes from what the code asks for. */
const roles = {
  'role.yaml': {
    name: 'looms-project',
    what: 'What looms needs in the namespace of a project: to be bound there, and nowhere else.',
    rights: projectRights,
  },
  'cluster-role.yaml': {
    name: 'looms-cluster',
    what: 'What looms uses of the whole cluster where it may, and does without where it may not.',
    rights: clusterRights,
  },
  'probe-role.yaml': {
    name: 'looms-probe',
    what: 'What `looms doctor --probe` needs on the whole cluster: for a person, not for looms in the cluster.',
    rights: probeRights,
  },
};

for (const [file, { name, what, rights }] of Object.entries(roles)) {
  writeFileSync(join(root, 'deploy/kubernetes', file), roleText(name, what, rights));
}
