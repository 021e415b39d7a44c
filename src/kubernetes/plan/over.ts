import { canonicalJson } from '../../model/values/canonical-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
import { comparable } from '../compare/compare-objects.ts';
import type { Deployment, KubeObject } from '../model/objects.ts';

/** The object that a step writes over: another one in its place, or a change since, is a conflict. */
export type Over = { readonly uid: string; readonly resourceVersion: string };

/** The Deployment that a step writes over: all of it but what its controllers write, which goes on. */
export type OverDeployment = { readonly uid: string; readonly content: string };

export const overObject = ({ metadata }: KubeObject): Over => ({
  uid: metadata.uid ?? '',
  resourceVersion: metadata.resourceVersion ?? '',
});

export const overDeployment = (deployment: Deployment): OverDeployment => ({
  uid: deployment.metadata.uid ?? '',
  content: sha256(canonicalJson(comparable(deployment))),
});
