import { installedArgv, packageRunOf, writtenArgv } from '../../model/container/package-run.ts';
import type { ReadServer } from '../fields/normalize.ts';

/** A package that an installer may take another version of tomorrow, and the field that names it. */
export type Unpinned = { readonly written: string; readonly path: string; readonly pinned: string };

const exactNumber = /^[=v]?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
/** A commit, or the hash of what is fetched. */
const exactSource = /(?:[#@][0-9a-f]{40}|#sha256=[0-9a-f]{64})(?:[&;\s].*)?$/;

/** Whether npm takes the same thing each time (npm-package-arg): an exact version, a commit, a file of the folder. */
function isPinnedForNode(written: string): boolean {
  if (/^(?:[a-z+]+:\/\/|git@|github:|gitlab:|bitbucket:)/.test(written)) return exactSource.test(written);
  if (/^(?:file:|\.{0,2}\/)/.test(written)) return true;
  return exactNumber.test(/^.[^@]*@(?:npm:.[^@]*@)?(.*)$/s.exec(written)?.[1] ?? '');
}

/** Whether pip takes the same thing each time (PEP 440, PEP 508): `==` or `===` without a star, a commit, a hash. */
function isPinnedForPython(written: string): boolean {
  const [requirement = ''] = written.split(/\s*;/);
  if (/@\s*[a-z+]+:\/\/|^[a-z+]+:\/\//.test(requirement)) return exactSource.test(requirement);
  if (/^\.{0,2}\//.test(requirement)) return true;
  const versions = /^[A-Za-z0-9._-]+\s*(?:\[[^\]]*\])?\s*\(?([^)]*)\)?$/.exec(requirement)?.[1] ?? '';
  return versions.split(',').some((one) => /^\s*={2,3}\s*[^\s*]+\s*$/.test(one));
}

/** What the version that was tried is written like. */
const asPinned = (written: string, ecosystem: 'node' | 'python'): string => {
  const name =
    ecosystem === 'node'
      ? written.replace(/(?!^)@.*$/s, '')
      : (/^[A-Za-z0-9._-]+(?:\[[^\]]*\])?/.exec(written)?.[0] ?? written);
  return ecosystem === 'node' ? `${name}@1.2.3` : `${name}==1.2.3`;
};

/**
 * The packages of a server without an exact version: those that are installed into its image, and the one that its command
 * line fetches. What files of packages, a Dockerfile or the commands of a build install is not known here.
 */
export function unpinnedPackages(spec: ReadServer): readonly Unpinned[] {
  const { image } = spec;
  const found: Unpinned[] = [];
  const isPinned = { node: isPinnedForNode, python: isPinnedForPython } as const;
  if (image?.kind === 'node' || image?.kind === 'python') {
    image.packages.forEach((written, index) => {
      if (isPinned[image.kind](written)) return;
      const path = `docker_backend.${image.kind}.preinstall_packages[${index}]`;
      found.push({ written, path, pinned: asPinned(written, image.kind) });
    });
  }
  const run = packageRunOf(writtenArgv(spec));
  if (run !== undefined && (image === undefined || installedArgv(run, image) === undefined)) {
    const written = run.package ?? run.runner;
    // uvx and pipx write `name@1.2.3` for `name==1.2.3`.
    const asRequirement = run.ecosystem === 'python' ? written.replace(/^([A-Za-z0-9._-]+)@(?=[\d])/, '$1==') : written;
    if (run.package === undefined || !isPinned[run.ecosystem](asRequirement)) {
      found.push({ written, path: 'mcp_server.args', pinned: asPinned(run.package ?? 'name', run.ecosystem) });
    }
  }
  return found;
}
