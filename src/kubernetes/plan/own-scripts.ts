import { canonicalJson } from '../../model/values/canonical-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
import { annotation } from '../model/names.ts';
import type { KubeObject } from '../model/objects.ts';
import { type Observed, supportKey } from '../model/observed.ts';
import { isNewer, knownWritten, signWritten } from '../model/written.ts';
import type { KubernetesPorts } from '../ports.ts';

const printOf = ({ data }: KubeObject): string => sha256(canonicalJson(data ?? {}));

type Ports = Pick<KubernetesPorts, 'settings' | 'managedBy'>;
type Project = Pick<Observed, 'project'>;

const aboutScripts = ({ project }: Project) => ['scripts', project];

const noted = (object: KubeObject, text: string | undefined): KubeObject =>
  text === undefined
    ? object
    : { ...object, metadata: { ...object.metadata, annotations: { [annotation.written]: text } } };

/**
 * The scripts that a project shall have: `own`, but those of a newer looms as long as they are what it signed. Its pods may need
 * them, and two looms would set each other's back for ever.
 */
export function scriptsToHave(
  { settings: { records }, managedBy }: Ports,
  { support, ...project }: Project & Pick<Observed, 'support'>,
  own: KubeObject,
): KubeObject {
  const live = support.get(supportKey(own));
  if (live === undefined) return own;
  const note = live.metadata.annotations?.[annotation.written];
  const known = knownWritten(note, aboutScripts(project), records);
  const isTheirs = known?.print === printOf(live) && isNewer(known.by, managedBy);
  // What is the same is not written anew to say so.
  return isTheirs || printOf(live) === printOf(own) ? noted({ ...own, data: live.data }, note) : own;
}

/** The scripts of this looms as they are written: with a note of that, where it can be signed. */
export function signedScripts(
  { settings: { records }, managedBy }: Ports,
  project: Project,
  object: KubeObject,
): KubeObject {
  const isNoted = object.metadata.annotations?.[annotation.written] !== undefined;
  if (object.kind !== 'ConfigMap' || isNoted) return object;
  return noted(object, signWritten(aboutScripts(project), { by: managedBy, print: printOf(object) }, records));
}
