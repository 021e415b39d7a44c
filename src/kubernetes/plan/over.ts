import { canonicalJson } from '../../model/values/canonical-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
import { comparable } from '../compare/compare-objects.ts';
import type { Deployment, KubeObject } from '../model/objects.ts';
import type { Workload } from '../model/observed.ts';

/** The object that a step writes over: another one in its place, or a change since, is a conflict. */
export type Over = { readonly uid: string; readonly resourceVersion: string };

/**
 * The Deployment that a step writes over: all of it but what its controllers write, which goes on, and how many pods it asks for
 * where its sessions say that.
 */
export type OverDeployment = { readonly uid: string; readonly content: string };

export const overObject = ({ metadata }: KubeObject): Over => ({
  uid: metadata.uid ?? '',
  resourceVersion: metadata.resourceVersion ?? '',
});

export const overDeployment = ({ deployment, claim }: Pick<Workload, 'deployment' | 'claim'>): OverDeployment => ({
  uid: deployment.metadata.uid ?? '',
  content: contentOf(deployment, claim.recorded?.spec.scale !== undefined),
});

/** What a Deployment says, without what its controllers write; `isScaled`: nor how many pods it asks for. */
export function contentOf(deployment: KubeObject, isScaled: boolean): string {
  const { replicas: _, ...spec } = deployment.spec as Deployment['spec'];
  return sha256(canonicalJson(comparable(isScaled ? { ...deployment, spec } : deployment)));
}

/** A print of what a Deployment asks its pods to be, without what its controllers write. */
export const podsPrint = (deployment: KubeObject): string =>
  sha256(canonicalJson((comparable(deployment) as Pick<Deployment, 'spec'>).spec.template));
