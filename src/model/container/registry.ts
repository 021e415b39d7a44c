/** How a registry begins the names of images, as `looms.yaml` and `--registry` take it; as in schemas/project.schema.json. */
const pattern = /^[A-Za-z0-9.-]+(?::\d+)?(?:\/[a-z0-9._-]+)*\/*$/;

/** Host and folder that names of images begin with, without a slash at the end; undefined for what begins none. */
export const registryOf = (written: string): string | undefined =>
  pattern.test(written) ? written.replace(/\/+$/, '') : undefined;
