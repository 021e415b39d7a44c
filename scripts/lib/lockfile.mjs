/**
 * Names the packages of other platforms that a lock file should hold and does not.
 *
 * npm leaves them out when the registry at hand does not serve them (mirrors often keep one platform
 * only), and then `npm ci` refuses the lock file everywhere, the machine that wrote it included.
 *
 * @param {Record<string, any>} packages the `packages` of a lock file
 * @returns {Record<string, object>} the missing entries: version and platform, without a checksum
 */
export function missingPlatformPackages(packages) {
  const missing = {};
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const isThere = placesOf(name, path).some((place) => packages[place]);
      const platform = platformOf(name);
      if (isThere || !platform || !isExact(version)) continue;
      missing[`node_modules/${name}`] = { version, ...flagsOf(entry), optional: true, ...platform };
    }
  }
  return missing;
}

/** Where Node would look for a package that another one needs, nearest first. */
function placesOf(name, path) {
  const places = [];
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    places.push(`${at}/node_modules/${name}`.replace(/^\//, ''));
    if (!at.includes('/node_modules/')) break;
  }
  places.push(`node_modules/${name}`);
  return places;
}

function flagsOf(entry) {
  return entry.dev || entry.devOptional ? { dev: true } : {};
}

function isExact(version) {
  return /^\d+\.\d+\.\d+/.test(version);
}

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];
const libraries = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

/** The names of such packages end in their platform: `@scope/cli-linux-arm64-musl`. */
function platformOf(name) {
  const words = name.split(/[-/]/);
  const os = words.find((word) => systems.includes(word));
  const cpu = words.find((word) => processors.includes(word));
  if (!os || !cpu) return undefined;
  const library = words.map((word) => libraries[word]).find(Boolean);
  return { os: [os], cpu: [cpu], ...(library ? { libc: [library] } : {}) };
}

/** The oldest Node that a checkout can be installed with (README.md); its programs run with the `node` of the lock file. */
const oldestNode = [20, 0, 0];

/**
 * Names the packages whose demand of a newer Node says nothing here: what runs them is the Node that the lock file itself
 * brings along, and it meets the demand. npm looks at the Node that it runs with, and would warn about each of them. One
 * that the own Node does not meet, or that is written in a way that is not known here, is not among them.
 *
 * @param {Record<string, any>} packages the `packages` of a lock file
 * @returns {string[]} their paths; the root is none of them
 */
export function pointlessNodeDemands(packages) {
  const own = packages['node_modules/node'].version.split('.').map(Number);
  return Object.entries(packages).flatMap(([path, { engines }]) =>
    path !== '' && engines?.node && admits(engines.node, own) && !admits(engines.node, oldestNode) ? [path] : [],
  );
}

/** Whether a range of alternatives like `^20.19.0 || >=22` admits a version; one that is written otherwise admits none. */
function admits(range, version) {
  return range.split('||').some((alternative) => {
    const [, sign, ...numbers] = /^\s*(>=|\^)\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?\s*$/.exec(alternative) ?? [];
    if (sign === undefined) return false;
    const [major, minor, patch] = numbers.map((number) => Number(number ?? 0));
    if (sign === '^' && version[0] !== major) return false;
    const [a, b, c] = version;
    return a > major || (a === major && (b > minor || (b === minor && c >= patch)));
  });
}
