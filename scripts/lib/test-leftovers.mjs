import { call } from './engine-api.mjs';
import { endTestProcesses } from './test-processes.mjs';

const label = 'looms.test';
const projectLabel = 'looms.project';
const abandonedAfterMs = 24 * 60 * 60 * 1000;

const kinds = [
  {
    name: 'containers',
    path: '/containers',
    all: true,
    list: (body) => body,
    id: (item) => item.Id,
    remove: '?force=true&v=true',
  },
  { name: 'networks', path: '/networks', list: (body) => body, id: (item) => item.Id, remove: '' },
  {
    name: 'volumes',
    path: '/volumes',
    list: (body) => body.Volumes ?? [],
    id: (item) => item.Name,
    remove: '?force=true',
  },
  { name: 'images', path: '/images', all: true, list: (body) => body, id: (item) => item.Id, remove: '?force=true' },
];

/** Containers and images tell it in seconds, networks and volumes as text. */
const madeMs = ({ Created, CreatedAt }) =>
  typeof Created === 'number' ? Created * 1000 : Date.parse(Created ?? CreatedAt);

/** Engine 20.10 can count endpoints on a network that are gone: nothing removes such a network until the engine is restarted. */
const isHeldByNobody = ({ status, body }) => status === 403 && body?.message?.includes('has active endpoints');

/**
 * Ends the processes of one run of tests that are left, then removes from an engine what that run made, and what runs left
 * there more than a day ago: it carries the label `looms.test`, whose value ends with the run, or is of a project whose name
 * has the run in it (test/support/images.ts). Tests of another run may be at work.
 *
 * @param {string} host
 * @param {string} run
 * @returns {Promise<{ removed: Record<string, number>, failed: string[] }>} counts by kind; what could not be removed and why
 */
export async function removeTestLeftovers(host, run) {
  const failed = (await endTestProcesses(run)).map((pid) => `process ${pid}: it does not end`);
  const project = new RegExp(`^e2e-.*-${run.slice(0, 6)}[0-9a-f]{4}$`);
  const isOfRun = ({ Labels }) => Labels[label]?.endsWith(`.${run}`) || project.test(Labels[projectLabel] ?? '');
  const isAbandoned = (item) => item.Labels[label] !== undefined && Date.now() - madeMs(item) > abandonedAfterMs;
  const removed = {};
  for (const kind of kinds) {
    const found = await Promise.all([label, projectLabel].map((one) => listOf(host, kind, one)));
    const ids = new Set(
      found
        .flat()
        .filter((item) => isOfRun(item) || isAbandoned(item))
        .map(kind.id),
    );
    removed[kind.name] = 0;
    for (const id of ids) {
      const { status, body: answer } = await call(host, {
        method: 'DELETE',
        path: `${kind.path}/${encodeURIComponent(id)}${kind.remove}`,
      });
      if (status < 300) removed[kind.name] += 1;
      else if (status !== 404 && !isHeldByNobody({ status, body: answer }))
        failed.push(`${kind.name} ${id}: ${answer.message ?? status}`);
    }
  }
  return { removed, failed };
}

async function listOf(host, kind, label) {
  const query = new URLSearchParams({ filters: JSON.stringify({ label: [label] }) });
  if (kind.all) query.set('all', 'true');
  const suffix = kind.name === 'volumes' || kind.name === 'networks' ? '' : '/json';
  const { body } = await call(host, { path: `${kind.path}${suffix}?${query}` });
  return kind.list(body);
}
