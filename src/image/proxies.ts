const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'ALL_PROXY', 'NO_PROXY'];

/** Proxy settings as build arguments, in both spellings. They need no ARG, and stay out of image and cache. */
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

const credentialsIn = (setting: string): readonly string[] =>
  /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^\s/:]*):([^\s/]+)@/i.exec(setting)?.slice(1) ?? [];

/** The passwords in proxy settings, in each form in which a tool prints them: they are masked in what we print. */
export function proxyPasswords(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.values(proxySettings(environment)).flatMap((setting) => {
    const [user = '', password] = credentialsIn(setting);
    if (password === undefined) return [];
    return [password, `${user}:${password}`, ...decoded(password)];
  });
}

/** Names of the settings that hold a password. */
export const proxiesWithPassword = (settings: Readonly<Record<string, string>>): readonly string[] =>
  Object.keys(settings).filter((name) => credentialsIn(settings[name] ?? '').length > 0);

function decoded(text: string): readonly string[] {
  try {
    return [decodeURIComponent(text)];
  } catch {
    return [];
  }
}
