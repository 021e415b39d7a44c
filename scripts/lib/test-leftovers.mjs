import { call } from './engine-api.mjs';

const label = 'looms.test';

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

/**
 * Removes from an engine all that tests made: whatever carries the label `looms.test`, with any value.
 *
 * @param {string} host
 * @returns {Promise<{ removed: Record<string, number>, failed: string[] }>} counts by kind; what could not be removed and why
 */
export async function removeTestLeftovers(host) {
  const removed = {};
  const failed = [];
  for (const kind of kinds) {
    const query = new URLSearchParams({ filters: JSON.stringify({ label: [label] }) });
    if (kind.all) query.set('all', 'true');
    const suffix = kind.name === 'volumes' || kind.name === 'networks' ? '' : '/json';
    const { body } = await call(host, { path: `${kind.path}${suffix}?${query}` });
    const ids = kind.list(body).map(kind.id);
    removed[kind.name] = 0;
    for (const id of ids) {
      const { status, body: answer } = await call(host, {
        method: 'DELETE',
        path: `${kind.path}/${encodeURIComponent(id)}${kind.remove}`,
      });
      if (status < 300) removed[kind.name] += 1;
      else if (status !== 404) failed.push(`${kind.name} ${id}: ${answer.message ?? status}`);
    }
  }
  return { removed, failed };
}
