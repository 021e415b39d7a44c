/** Who asks: what stands in the headers of each request, and the certificate of the connection (PEM texts). */
export type Identity = {
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly certificate?: { readonly cert: string; readonly key: string };
};

/** How a connection to an API server is secured. */
export type ServerTrust = {
  /**
   * Certificates (PEM) that are trusted instead of the system's. Asked before each request, as a cluster's authority is replaced
   * while a program runs. Throws what reading them throws.
   */
  readonly ca?: () => Promise<string>;
  /** false: any certificate is taken, as a kubeconfig may ask for. */
  readonly verify: boolean;
  /** The name that its certificate must hold, where that is not the one of the address. */
  readonly servername?: string;
};

/** How a cluster is reached, and as whom. */
export type ClusterAccess = {
  /** The context of the kubeconfig, or `inCluster` (model/engine.ts). */
  readonly context: string;
  /** `https://127.0.0.1:6443`, with the path that what stands before the API server wants; no slash at its end. */
  readonly endpoint: string;
  readonly trust: ServerTrust;
  /** A proxy over HTTP that connections go through. */
  readonly proxy?: URL;
  /**
   * Asked before each request, since tokens and certificates change while a program runs. `refused`: an earlier answer that was not
   * let in; another one is given, where there can be one. Throws `engine-rejected` when it cannot be had, `usage` when what is
   * written is none.
   */
  readonly identity: (refused?: Identity) => Promise<Identity>;
};

/** Where clusters are looked for. */
export type ClusterSearch = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  /** Where a pod has its token; else where Kubernetes puts it. */
  readonly serviceAccountFolder?: string;
};
