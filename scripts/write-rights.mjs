import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterRights, projectRights } from '../src/kubernetes/model/rights.ts';
import { roleText } from './lib/role.mjs';
import { root } from './lib/root.mjs';

const folder = join(root, 'deploy/kubernetes');

/** Writes the roles of deploy/kubernetes from what the code asks for. */
writeFileSync(
  join(folder, 'role.yaml'),
  roleText(
    'looms-project',
    'What looms needs in the namespace of a project: to be bound there, and nowhere else.',
    projectRights,
  ),
);
writeFileSync(
  join(folder, 'cluster-role.yaml'),
  roleText(
    'looms-cluster',
    'What looms uses of the whole cluster where it may, and does without where it may not.',
    clusterRights,
  ),
);
