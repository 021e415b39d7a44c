import type { DeclaredServer, DesiredServer } from '../model/desired.ts';
import type { ProjectName } from '../model/ids.ts';

/** What of a spec is otherwise where it goes to, at a path of the file; `refused`: nothing there could keep it. */
export type Unlike =
  | { readonly kind: 'approximate'; readonly path: string; readonly message: string }
  | { readonly kind: 'refused'; readonly path: string; readonly message: string; readonly hint: string };

/** What has to be there before the objects are: a Secret with its keys, or the environment of the other program. */
export type NeededSecret = {
  /** Of a Secret; absent: variables of the environment. */
  readonly name?: string;
  /** Sorted; each with what its value is, written as in a spec: a secret, or a text with secrets in it. */
  readonly keys: readonly { readonly name: string; readonly value: string }[];
};

export type ExportSettings = {
  readonly project: ProjectName;
  /** Where images that are built here are pulled from: host and folder, without a slash at the end. */
  readonly registry?: string | undefined;
  /** The image that servers over HTTP are reached through. */
  readonly relayImage: string;
  /** `looms/<version>`. */
  readonly managedBy: string;
  /** What a server's record holds (`looms.spec`). */
  readonly recordOf: (server: DeclaredServer) => string;
};

export type Exported = {
  /** Objects for another program, each a document of its own. */
  readonly documents: readonly object[];
  readonly secrets: readonly NeededSecret[];
  /** Images that are built here and have to be pushed: as they are here, and as they are named there. */
  readonly images: readonly { readonly here: string; readonly there: string }[];
};

/** Writes what is declared in the terms of another program. Pure. */
export type Exporter = {
  readonly unlike: (spec: DesiredServer, settings: Pick<ExportSettings, 'registry'>) => readonly Unlike[];
  /** Of servers that it refuses nothing of. Throws `spec-invalid` for what of several of them cannot be there at once. */
  readonly write: (servers: readonly DeclaredServer[], settings: ExportSettings) => Exported;
};
