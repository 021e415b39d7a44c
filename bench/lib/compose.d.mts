/** Finds Docker Compose v2, or unpacks it where that can be done; undefined where it cannot be had. */
export function findCompose(): Promise<{ command: string; args: string[]; version: string } | undefined>;
