import type { Cluster } from '../port.ts';
import type { ClusterAccess } from './access.ts';
import { lineTo, requestJson, requestLines } from './request.ts';

/** A cluster that was found (`findCluster`). Opens no connection before the first request. */
export function connectCluster(access: ClusterAccess): Cluster {
  const line = lineTo(access);
  return {
    context: access.context,
    endpoint: access.endpoint,
    request: (request, options) => requestJson(line, request, options),
    lines: (request, options) => requestLines(line, request, options),
    exec: async (at, argv, options) => (await import('./exec.ts')).openExec(line, at, argv, options),
    close: async () => line.close(),
  };
}
