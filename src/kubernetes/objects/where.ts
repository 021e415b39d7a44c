import type { EngineDescription } from '../../model/engine.ts';
import type { Unlike } from '../../orchestrator/export.ts';

/** What is known of the cluster that objects are for. */
export type Where = {
  /** Whether something says where nodes pull images from that are built here. */
  readonly registry: boolean;
  /** Whether looms works on the cluster; else objects are there without it. */
  readonly keptByLooms: boolean;
  /** Whether it has policies that know names; undefined: no cluster was asked. */
  readonly leadsByName: boolean | undefined;
};

/** A cluster that looms works on. */
export const onCluster = (registry: string | undefined, engine: EngineDescription): Where => ({
  registry: registry !== undefined,
  keptByLooms: true,
  leadsByName: engine.kind === 'kubernetes' && engine.canLeadByName,
});

export const refused = (path: string, message: string, hint: string): Unlike => ({
  kind: 'refused',
  path,
  message,
  hint,
});
export const approximate = (path: string, message: string): Unlike => ({ kind: 'approximate', path, message });
