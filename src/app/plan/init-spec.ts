import { dirname, join, resolve } from 'node:path';
import specSchema from '../../../schemas/spec.schema.json' with { type: 'json' };
import type { Files, FileWrite } from '../../files/port.ts';
import { LoomsError } from '../../model/errors.ts';
import { namePattern } from '../../model/ids.ts';
import type { Ports } from '../ports.ts';

type Template = { readonly name: string; readonly summary: string; readonly text: (server: string) => string };

/** Beside the spec, so that editors check it offline and in every checkout. */
const schemaFile = '.looms/spec.schema.json';

const document = (
  server: string,
  backend: string,
  mcp: string,
): string => `# yaml-language-server: $schema=${schemaFile}
name: ${server}
docker_backend:
${backend}
  # resource_limits: { cpu_cores: 1, memory_mb: 512, pids_limit: 256, execution_timeout_seconds: 300 }
  # network: { egress: ["db.example.com:5432"] }   # all that it reaches of the outside; default: nothing
mcp_server:
  transport: stdio
${mcp}
  # env:
  #   API_TOKEN: \${secret:api_token}   # looked up when a session starts, stored nowhere
  # tools: { include: [first_tool, second_tool] }
`;

/** What `looms init --template` can write; all but `image`, which names an image of the user, can be applied as they are. */
export const templates: readonly Template[] = [
  {
    name: 'node',
    summary: 'a server from npm',
    text: (server) =>
      document(
        server,
        `  runtime_type: node
  node:
    node_version: "24"
    preinstall_packages: ["@modelcontextprotocol/server-everything@2026.8.31"]`,
        `  command: mcp-server-everything
  args: [stdio]`,
      ),
  },
  {
    name: 'python',
    summary: 'a server from PyPI',
    text: (server) =>
      document(
        server,
        `  runtime_type: python
  python:
    python_version: "3.13"
    preinstall_packages: [mcp-server-time==2026.10.19]`,
        `  command: mcp-server-time
  args: ["--local-timezone=UTC"]`,
      ),
  },
  {
    name: 'filesystem',
    summary: 'files of a volume, served to read and write',
    text: (server) =>
      document(
        server,
        `  runtime_type: node
  node:
    node_version: "24"
    preinstall_packages: ["@modelcontextprotocol/server-filesystem@2026.8.31"]
  volume_mounts:
    - { source: files, target: /data }`,
        `  command: mcp-server-filesystem
  args: [/data]`,
      ),
  },
  {
    name: 'image',
    summary: 'an image of yours that holds a server: put its name in',
    text: (server) =>
      document(
        server,
        `  base_image: registry.example.com/team/${server}:1.0   # your image`,
        "  # command: program   # default: the image's own",
      ),
  },
];

type InitRequest = {
  readonly name: string;
  readonly template: string;
  readonly file: string;
  readonly force: boolean;
};

/** The file that was written, and its text. */
export type WrittenSpec = { readonly file: string; readonly text: string };

/** The spec, and the schema beside it; the first failure ends it. */
async function writeBoth(files: Files, path: string, text: string, force: boolean): Promise<FileWrite> {
  const schema = join(dirname(path), schemaFile);
  const steps = [
    () => files.makeFolder(dirname(path)),
    () => (force ? files.overwrite(path, text) : files.create(path, text)),
    () => files.makeFolder(dirname(schema)),
    () => files.overwrite(schema, `${JSON.stringify(specSchema, null, 2)}\n`),
  ];
  for (const step of steps) {
    const written = await step();
    if (!written.done) return written;
  }
  return { done: true };
}

/** Writes a first spec, its schema beside it. Throws `usage` for a bad name or template, `file-exists`. */
export async function initSpec(ports: Ports, request: InitRequest): Promise<WrittenSpec> {
  const template = templates.find((one) => one.name === request.template);
  if (template === undefined) {
    throw new LoomsError('usage', `there is no template ${request.template}`, {
      hint: `templates: ${templates.map((one) => one.name).join(', ')}`,
    });
  }
  if (!namePattern.test(request.name)) {
    throw new LoomsError('usage', `"${request.name}" cannot be a server's name`, {
      hint: 'use lower-case letters, digits and dashes, at most 40',
    });
  }
  const text = template.text(request.name);
  const path = resolve(ports.workingDirectory, request.file);
  const written = await writeBoth(ports.files, path, text, request.force);
  if (written.done) return { file: request.file, text };
  if (written.why === 'exists') {
    throw new LoomsError('file-exists', `${request.file} is there already`, {
      hint: 'name another with --file, or replace it with --force',
    });
  }
  const { message, cause } = written;
  throw new LoomsError('file-not-writable', `${request.file} cannot be written: ${message}`, { cause });
}
