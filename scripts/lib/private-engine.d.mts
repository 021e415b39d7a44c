export type PrivateEngine = {
  /** For `DOCKER_HOST`. */
  readonly host: string;
  /** What a command line begins with that shall run on the network of its machine. */
  readonly enter: () => readonly string[];
  /** After `stop` or `kill`: with all that was stored, and nothing that was in memory. */
  readonly start: () => Promise<void>;
  /** As a service manager does it. */
  readonly stop: () => Promise<void>;
  /** The engine and every process in its containers end at once, as when a machine loses its power. */
  readonly kill: () => Promise<void>;
  /** Ends it and removes everything it made. */
  readonly close: () => Promise<void>;
};
export declare function noPrivateEngine(): string | undefined;
export declare function makePrivateEngine(content: {
  images: string[];
  from: string;
  nameserver?: string;
}): Promise<PrivateEngine>;
