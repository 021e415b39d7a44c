/**
 * On a machine whose registries are reached through a certificate authority of its own, builds in
 * containers need that authority too: looms takes it from `LOOMS_BUILD_CA`.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ LOOMS_BUILD_CA?: string }} what to add to the environment of looms; nothing where it is set, or not needed
 */
export function buildCa(env = process.env) {
  const bundle = env.NODE_EXTRA_CA_CERTS || env.SSL_CERT_FILE;
  return env.LOOMS_BUILD_CA || !bundle ? {} : { LOOMS_BUILD_CA: bundle };
}
