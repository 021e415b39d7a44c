/** What of a server is looked at, in the order of the tabs. */
export const serverTabs = ['overview', 'diff', 'log', 'tools', 'events', 'history', 'audit'] as const;
/** What of the whole project is looked at. */
export const projectTabs = ['overview', 'plan', 'log', 'events', 'audit'] as const;

export type ServerTab = (typeof serverTabs)[number];
export type ProjectTab = (typeof projectTabs)[number];

/** Where on the page one is; the fragment of its address says it. `list`: where there is room, beside the project's overview. */
export type Route =
  | { readonly of: 'list' }
  | { readonly of: 'project'; readonly tab: ProjectTab }
  | { readonly of: 'server'; readonly server: string; readonly tab: ServerTab };

/** `#/`, `#/project/log`, `#/servers/fs/tools`; anything else is the list. */
export function routeOf(fragment: string): Route {
  const [, first = '', ...rest] = fragment.replace(/^#/, '').split('/');
  if (first === 'project') return { of: 'project', tab: projectTabs.find((one) => one === rest[0]) ?? 'overview' };
  const [name = '', tab] = rest;
  return first === 'servers' && name !== ''
    ? { of: 'server', server: decoded(name), tab: serverTabs.find((one) => one === tab) ?? 'overview' }
    : { of: 'list' };
}

/** The fragment of an address that says where one is: `routeOf` reads it back. */
export function fragmentOf(route: Route): string {
  if (route.of === 'list') return '#/';
  const place = route.of === 'project' ? '#/project' : `#/servers/${encodeURIComponent(route.server)}`;
  return route.tab === 'overview' ? place : `${place}/${route.tab}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
