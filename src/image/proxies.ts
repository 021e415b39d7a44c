const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'ALL_PROXY', 'NO_PROXY'];

/**
 * Proxy settings of an environment as build arguments, in both spellings since tools read one or the other. Both
 * builders know these names: they need no ARG, and stay out of the image, its history and the build cache.
 */
export function proxySettings(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const name of names) {
    const lower = name.toLowerCase();
    const value = environment[lower] || environment[name];
    if (!value) continue;
    settings[name] = environment[name] || value;
    settings[lower] = value;
  }
  return settings;
}
