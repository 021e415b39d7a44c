/** Lines that say why a tool gave up, most telling first. Text is all there is: a miss changes only their order. */
const decisive: readonly RegExp[] = [
  /^ERROR: No matching distribution found for /,
  /^npm (?:error|ERR!) 404 .*(?:not in this registry|could not be found)/i,
  /^npm (?:error|ERR!) (?:404|notarget|E[A-Z]+|code E)/,
  /^E: /,
  /^ERROR: /,
  /^error: /i,
  /^npm (?:error|ERR!) /,
  /: (?:not found|No such file or directory|Permission denied|command not found)$/,
];

/** The one line of a failed command's output that says why it failed; the last one where none is known to. */
export function decisiveLine(output: readonly string[]): string | undefined {
  for (const pattern of decisive) {
    const line = output.find((candidate) => pattern.test(candidate));
    if (line !== undefined) return line;
  }
  return output.at(-1);
}

/** What to do about a failed build, as far as its output says. */
export function buildHint(output: readonly string[]): string {
  const text = output.join('\n');
  if (
    /CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER|VERIFY)|certificate verif|issuer cert/i.test(
      text,
    )
  ) {
    return 'the build does not trust the certificate it was shown: name your CA bundle in LOOMS_BUILD_CA or build_config.ca_certificates; a Dockerfile of your own asks for it (`ARG PIP_CERT`, `ARG NODE_EXTRA_CA_CERTS`)';
  }
  if (
    /EAI_AGAIN|ENOTFOUND|Temporary failure (?:in name resolution|resolving)|Could not resolve|Name or service not known/i.test(
      text,
    )
  ) {
    return 'the build could not resolve a host name: set HTTP_PROXY and HTTPS_PROXY if this network needs a proxy';
  }
  if (/No matching distribution found|E404|ETARGET|Unable to locate package/.test(text)) {
    return 'check the name and version of the package: the registry has none like it for this image';
  }
  return 'the lines above are the end of the output of the command that failed';
}
