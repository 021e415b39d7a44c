import type { ApiRequest } from '../port.ts';

/** What a request asks for, in the words of Kubernetes' access control. */
export type Right = {
  readonly verb: string;
  /** `deployments.apps`, `pods/exec`. */
  readonly resource: string;
  readonly name: string | undefined;
  readonly namespace: string | undefined;
};

const verbs = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const;

/** The right that a request needs; undefined for a path that is no resource's (`/version`). */
export function rightOf({ method, path, query }: Pick<ApiRequest, 'method' | 'path' | 'query'>): Right | undefined {
  const [, group = '', rest = ''] = /^\/(?:api\/[^/]+|apis\/([^/]+)\/[^/]+)\/(.+)$/.exec(path) ?? [];
  const words = rest.split('/').map(decodeURIComponent);
  const isNamespaced = words[0] === 'namespaces' && words.length > 2;
  const [kind, name, part] = isNamespaced ? words.slice(2) : words;
  if (kind === undefined || kind === '') return undefined;
  const many = query?.watch === undefined ? 'list' : 'watch';
  return {
    verb: name === undefined && method === 'GET' ? many : verbs[method],
    resource: `${kind}${group === '' ? '' : `.${group}`}${part === undefined ? '' : `/${part}`}`,
    name,
    namespace: isNamespaced ? words[1] : undefined,
  };
}

/** A request for people: `get deployments.apps looms-fs in looms-a`. */
export function wordsOf(request: Pick<ApiRequest, 'method' | 'path' | 'query'>): string {
  const right = rightOf(request);
  if (right === undefined) return `${verbs[request.method]} ${request.path}`;
  const { verb, resource, name, namespace } = right;
  return [verb, resource, name, namespace === undefined ? undefined : `in ${namespace}`].filter(Boolean).join(' ');
}
