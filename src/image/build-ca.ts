import type { ContextFile } from '../model/container/recipe.ts';
import { argInstruction, copyInstruction } from './dockerfile-text.ts';

/** Folder of the context, and of the image while it is built, that holds what only the build needs. */
const buildFolder = '.looms-build';
const bundlePath = `/${buildFolder}/ca.pem`;
const aptConfigPath = `/${buildFolder}/apt.conf`;

/** Where `build_config.ca_certificates` stands in a build context. Unlike LOOMS_BUILD_CA it counts for the hash. */
export const specCaPath = 'looms-ca-certificates.pem';

/**
 * What makes the usual tools trust a bundle: pip and Python's requests, Node and npm, curl, git, OpenSSL, apt. apt
 * takes a path by its configuration only, so it gets a configuration file of its own.
 */
export const caArguments: Readonly<Record<string, string>> = {
  SSL_CERT_FILE: bundlePath,
  PIP_CERT: bundlePath,
  REQUESTS_CA_BUNDLE: bundlePath,
  CURL_CA_BUNDLE: bundlePath,
  NODE_EXTRA_CA_CERTS: bundlePath,
  GIT_SSL_CAINFO: bundlePath,
  APT_CONFIG: aptConfigPath,
};

/** Files that a build with extra CA certificates needs in its context. */
export function caFiles(certificates: readonly Uint8Array[]): ContextFile[] {
  const pem = certificates.map((certificate) => new TextDecoder().decode(certificate).trim());
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  return [
    { path: bundlePath.slice(1), content: encode(`${pem.join('\n')}\n`), mode: 0o644 },
    { path: aptConfigPath.slice(1), content: encode(`Acquire::https::CAInfo "${bundlePath}";\n`), mode: 0o644 },
  ];
}

/** Brings the files of `caFiles` into a stage. */
export const copyCaFiles: string = copyInstruction([`${buildFolder}/`], `/${buildFolder}/`);

/**
 * Instructions for a recipe of ours that make its RUN steps trust the certificates of `caFiles` besides the image's own.
 * The path is ours: installing `ca-certificates` rewrites the system's bundle in the middle of a build. The settings
 * are ARGs, which end with the build.
 */
export const trustCa: readonly string[] = [
  copyCaFiles,
  // Most tools take one bundle instead of the system's: without its roots, hosts behind no proxy would be refused.
  `RUN for roots in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do if [ -f "$roots" ]; then cat "$roots" >> ${bundlePath}; break; fi; done`,
  argInstruction(caArguments),
];

/** Takes what `trustCa` brought out of the image again. */
export const forgetCa = `RUN rm -rf /${buildFolder}`;
