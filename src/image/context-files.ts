import dockerignore from '@balena/dockerignore';

/** Says whether a path of a build context is left out. Paths are relative, with `/`. */
export type IgnoreRule = (path: string) => boolean;

/** The rules of a `.dockerignore`: the last line that matches decides, `!` takes back in, `**` spans folders. */
export function ignoreRules(text: string): IgnoreRule {
  // A byte order mark would become part of the first pattern; Docker drops it as well.
  const rules = dockerignore.default({ ignorecase: false }).add(text.replace(/^\uFEFF/, ''));
  return (path) => rules.ignores(path);
}

/** Whether a rule takes back in: only then must an ignored folder (`node_modules`, `.git`) be read at all. */
export function hasExceptions(text: string): boolean {
  return text.split(/\r?\n/).some((line) => line.trim().startsWith('!'));
}

/** Files that pip requirements take in (`-r`, `-c` and long forms), as written, relative to theirs; no addresses. */
export function includedFiles(text: string): readonly string[] {
  const included: string[] = [];
  for (const line of text.replaceAll(/\\\r?\n/g, '').split(/\r?\n/)) {
    const withoutComment = line.replace(/(^|\s)#.*$/, '').trim();
    const path = withoutComment.match(/^(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))(\S.*)$/)?.[1];
    if (path !== undefined && !/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) included.push(path.trim());
  }
  return included;
}
