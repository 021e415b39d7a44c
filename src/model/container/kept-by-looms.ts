import { type DesiredServer, serverFields } from '../desired.ts';
import type { Field } from '../fields.ts';

type Kept = { readonly path: string; readonly what: string };

/** Fields of a group that are kept where they are another than by default. */
const keptOf =
  <Name extends string>(
    { path, fields }: { readonly path: string; readonly fields: Readonly<Record<Name, Field>> },
    values: { readonly [N in Name]?: unknown },
  ) =>
  (name: Name, what: string): readonly Kept[] =>
    values[name] === undefined || values[name] === fields[name].default
      ? []
      : [{ path: `${path}.${fields[name].path}`, what }];

/** Fields of a spec that no container holds and that looms itself keeps, where they are another than by default. */
export function keptByLooms({ limits, lifecycle, scale, mcp: { tools } }: DesiredServer): readonly Kept[] {
  const ofLimits = keptOf(serverFields.limits, limits);
  const ofLifecycle = keptOf(serverFields.lifecycle, lifecycle);
  const filter = 'the filter of tools';
  return [
    ...ofLimits('executionTimeoutSeconds', 'the time limit of calls'),
    ...ofLifecycle('healthCheckIntervalSeconds', 'how often it is asked whether it answers'),
    ...ofLifecycle('autoCleanup', 'what becomes of a container that failed its gate'),
    ...ofLifecycle('rotationIntervalHours', 'rotation by age'),
    ...ofLifecycle('maxExecutions', 'rotation by calls'),
    ...ofLifecycle('rotateOnImageChange', 'rotation by a newer image'),
    ...(scale === undefined ? [] : [{ path: 'mcp_server.scale', what: 'how many containers there are' }]),
    ...(tools.include === undefined ? [] : [{ path: 'mcp_server.tools.include', what: filter }]),
    ...(tools.exclude.length === 0 ? [] : [{ path: 'mcp_server.tools.exclude', what: filter }]),
  ];
}
