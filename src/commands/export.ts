import * as Flags from '@oclif/core/flags';
import {
  type ExportTarget,
  exportServers,
  exportTargets,
  exportText,
  neededBefore,
} from '../app/export/export-servers.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { SpecError } from '../cli/errors.ts';
import { outputFlag, placeFlags, specFlags } from '../cli/flags.ts';
import { readUsableSpecs } from '../cli/project/specs.ts';
import { countDiagnostics, renderDiagnostics } from '../cli/render/diagnostics/diagnostics.ts';
import { registryOf } from '../model/container/registry.ts';
import { relayImageOf } from '../model/container/relay-image.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
import { LoomsError } from '../model/errors.ts';
import type { Exported } from '../orchestrator/export.ts';

/** What `--json` prints. */
export type ExportResult = Exported & { readonly diagnostics: readonly Diagnostic[] };

export default class Export extends BaseCommand {
  static override summary = 'Write what is declared as objects of Kubernetes, or as a Compose file';
  static override description =
    'Reads the specs and prints YAML that Argo CD, Flux, kubectl or Compose can take. Asks no engine and no cluster. ' +
    'What of a spec is otherwise there is said on stderr, with its line; what nothing there could keep is an error, ' +
    'and then nothing is printed (exit 65). Values of secrets are never in it.';
  static override examples = [
    { description: 'Objects for a cluster', command: 'looms export --to kubernetes > objects.yaml' },
    {
      description: 'With images that looms builds, which the nodes pull from a registry',
      command: 'looms export --to kubernetes --registry registry.example.com/team-a -f specs/',
    },
    { description: 'A Compose file', command: 'looms export --to compose > compose.yaml' },
  ];
  static override flags = {
    ...specFlags,
    to: Flags.option({ description: 'for whom it is', options: exportTargets, required: true })(),
    registry: Flags.string({
      description:
        'with --to kubernetes: where its nodes pull images from that looms builds: default is engine.registry of looms.yaml',
      helpValue: 'HOST/FOLDER',
    }),
    ...outputFlag(['yaml', 'json'], 'the form of the objects; json is one list'),
    ...placeFlags,
  };

  async run(): Promise<ExportResult> {
    const { flags } = await this.parse(Export);
    const context = await this.open(flags);
    const { ports, project, exporter } = context;
    const registry = registryName(flags, context.projectFile?.file.registry);
    const loaded = await readUsableSpecs(flags, context, this.jsonEnabled());
    const { findings, exported } = exportServers(loaded, await exporter(flags.to), flags.to, {
      project: project.name,
      registry,
      relayImage: relayImageOf(ports.environment),
      managedBy: ports.managedBy,
    });
    if (hasErrors(findings)) {
      throw new SpecError(`${flags.to} cannot take the specs: ${countDiagnostics(findings)}`, findings, loaded.texts);
    }
    const { terminal } = context;
    const look = { palette: terminal.noticePalette, width: terminal.width };
    if (findings.length > 0) this.notice(`${renderDiagnostics(findings, loaded.texts, look)}\n`);
    // JSON has no comments.
    const before = neededBefore(exported);
    if (flags.output === 'json' && before.length > 0) this.notice(before.join('\n'));
    this.answer(() => exportText(exported, flags.to, flags.output).trimEnd());
    return { ...exported, diagnostics: findings };
  }
}

/** Where images that looms builds are pulled from: the flag's, else the project file's. Throws `usage`. */
function registryName(
  { to, registry: written }: { to: ExportTarget; registry?: string | undefined },
  ofProject: string | undefined,
): string | undefined {
  if (written !== undefined && to === 'compose') {
    throw new LoomsError('usage', '--registry is for Kubernetes, whose nodes pull images', {
      hint: 'leave it out: Compose takes the images that looms built here',
    });
  }
  if (to === 'compose') return undefined;
  if (written === undefined) return ofProject;
  const name = registryOf(written);
  if (name !== undefined) return name;
  throw new LoomsError('usage', `${JSON.stringify(written)} does not begin the name of an image`, {
    hint: 'write --registry HOST/FOLDER, as in registry.example.com/team-a',
  });
}
