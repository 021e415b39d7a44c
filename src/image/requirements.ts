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
