import { linuxCapabilities } from '../../model/container/capabilities.ts';
import { readTmpfs } from '../../model/container/tmpfs.ts';
import { type Security, securityFields } from '../../model/desired.ts';
import { plainOf } from '../../model/fields.ts';
import { nearest } from '../../model/values/nearest.ts';
import type { Reader } from '../read/reader.ts';
import { childPath } from '../read/tree.ts';
import type { SecurityInput } from './input.ts';

/** How the process is confined; `tmpfs` is checked together with the mounts. */
export function securityOf(reader: Reader, input: SecurityInput, tmpfs: Security['tmpfs']): Security {
  const capAdd = capabilityNames(reader, 'docker_backend.security.cap_add', input.cap_add ?? []);
  const capDrop = capabilityNames(
    reader,
    'docker_backend.security.cap_drop',
    input.cap_drop ?? securityFields.capDrop.default,
  );
  if (capAdd.includes('ALL')) {
    reader.report({
      code: 'refused-value',
      path: 'docker_backend.security.cap_add',
      message: 'cap_add: ALL is a privileged container, which does not exist in looms',
      hint: 'name the capabilities that the server needs',
    });
  }
  for (const [path, size] of Object.entries(tmpfs)) {
    const problem = tmpfsProblem(path, size);
    if (problem === undefined) continue;
    reader.report({ code: 'invalid-value', path: childPath('docker_backend.security.tmpfs', path), ...problem });
  }
  return { ...plainOf(securityFields, input), capDrop: capDrop.toSorted(), capAdd: capAdd.toSorted(), tmpfs };
}

/** One page: the kernel rounds smaller sizes up, so they cannot be meant. */
const minTmpfsBytes = 4096;

/** What is wrong with a size that is written as one. */
function tmpfsProblem(path: string, size: string): { readonly message: string; readonly hint: string } | undefined {
  const bytes = readTmpfs(size)?.sizeBytes ?? 0;
  if (bytes < minTmpfsBytes) {
    return {
      message: `${size} for ${path} is less than one page of memory (4k)`,
      hint: `did you mean ${size.replace(/^([0-9]+)[a-z]*/i, '$1m')}?`,
    };
  }
  return Number.isSafeInteger(bytes)
    ? undefined
    : {
        message: `${size} for ${path} is more than any engine takes`,
        hint: 'it counts as memory: stay below memory_mb',
      };
}

const known = linuxCapabilities.toSorted();

/** Capabilities as they are compared: in upper case, without CAP_, each once. Reports what is none. */
export function capabilityNames(reader: Reader, path: string, written: readonly string[]): readonly string[] {
  const names = written.flatMap((text, index) => {
    const name = text.toUpperCase().replace(/^CAP_/, '');
    if (name === 'ALL' || known.includes(name)) return [name];
    const meant = nearest(name, known);
    reader.report({
      code: 'unknown-capability',
      path: childPath(path, index),
      message: `${text} is not a Linux capability`,
      ...(meant === undefined ? {} : { hint: `did you mean ${meant}?` }),
    });
    return [];
  });
  return [...new Set(names)];
}
