import { type DesiredServer, lifecycleFields, limitFields } from '../desired.ts';

/** Fields of a spec that no container holds and that looms itself keeps, where they are another than by default. */
export function keptByLooms({
  limits,
  lifecycle,
  scale,
  mcp,
}: DesiredServer): readonly { path: string; what: string }[] {
  const { include, exclude } = mcp.tools;
  const isUsual = (value: unknown, usual: unknown): boolean => value === undefined || value === usual;
  const all = [
    {
      path: 'docker_backend.resource_limits.execution_timeout_seconds',
      what: 'the time limit of calls',
      isUsual: isUsual(limits.executionTimeoutSeconds, limitFields.executionTimeoutSeconds.default),
    },
    {
      path: 'docker_backend.lifecycle.health_check_interval_seconds',
      what: 'how often it is asked whether it answers',
      isUsual: isUsual(lifecycle.healthCheckIntervalSeconds, lifecycleFields.healthCheckIntervalSeconds.default),
    },
    {
      path: 'docker_backend.lifecycle.auto_cleanup',
      what: 'what becomes of a container that failed its gate',
      isUsual: isUsual(lifecycle.autoCleanup, lifecycleFields.autoCleanup.default),
    },
    {
      path: 'docker_backend.lifecycle.rotation_interval_hours',
      what: 'rotation by age',
      isUsual: isUsual(lifecycle.rotationIntervalHours, undefined),
    },
    {
      path: 'docker_backend.lifecycle.max_executions',
      what: 'rotation by calls',
      isUsual: isUsual(lifecycle.maxExecutions, undefined),
    },
    {
      path: 'docker_backend.lifecycle.rotate_on_image_change',
      what: 'rotation by a newer image',
      isUsual: isUsual(lifecycle.rotateOnImageChange, lifecycleFields.rotateOnImageChange.default),
    },
    { path: 'mcp_server.scale', what: 'how many containers there are', isUsual: scale === undefined },
    { path: 'mcp_server.tools.include', what: 'the filter of tools', isUsual: include === undefined },
    { path: 'mcp_server.tools.exclude', what: 'the filter of tools', isUsual: exclude.length === 0 },
  ];
  return all.filter((one) => !one.isUsual);
}
