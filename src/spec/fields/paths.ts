import type { Reader } from '../read/reader.ts';

/**
 * Checks a path that is read relative to the spec's folder and stays inside it (build input), and brings it to its
 * shortest form. Reports and returns undefined when it is absolute or leaves the folder; none written is none.
 */
export function pathInside(reader: Reader, path: string, written: string | undefined): string | undefined {
  if (written === undefined) return undefined;
  const problem = (message: string, hint: string): undefined => {
    reader.report({ code: 'invalid-path', path, message, hint });
    return undefined;
  };
  if (written.startsWith('/') || /^[A-Za-z]:[\\/]/.test(written)) {
    return problem(
      `${written} is absolute`,
      'write it relative to this file: the same spec must work from every checkout',
    );
  }
  if (written.startsWith('~')) return problem(`~ has no meaning in ${written}`, 'write it relative to this file');
  const parts: string[] = [];
  for (const part of written.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      return problem(`${written} leaves the folder of the spec`, 'only host paths of volume_mounts may contain ..');
    }
    parts.push(part);
  }
  return parts.length === 0 ? '.' : parts.join('/');
}

/**
 * Checks an absolute path in a container and brings it to its shortest form. Reports and returns undefined for `..`,
 * for the root itself and for the kernel's file systems, which nothing may hide.
 */
export function containerPath(reader: Reader, path: string, written: string): string | undefined {
  const parts = written.split('/').filter((part) => part !== '' && part !== '.');
  const problem = (message: string): undefined => {
    reader.report({ code: 'invalid-path', path, message });
    return undefined;
  };
  if (!written.startsWith('/')) return problem(`${written}: expected an absolute path in the container`);
  if (parts.includes('..')) return problem(`${written} contains ..`);
  if (/[,:]/.test(written))
    return problem(`${written} contains a comma or a colon, which engines take for a separator`);
  const clean = `/${parts.join('/')}`;
  if (clean === '/') return problem('/ of the container cannot be replaced');
  if (/^\/(?:proc|sys|run\/looms|dev(?!\/shm(?:\/|$)))(?:\/|$)/.test(clean))
    return problem(`${clean} belongs to the engine or to looms`);
  return clean;
}
