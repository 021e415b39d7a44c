import * as Flags from '@oclif/core/flags';
import { readResource } from '../../app/talk/read-resource.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg, serverName } from '../../cli/command-line/args.ts';
import { gatewayFlags, placeFlags, trustFlags } from '../../cli/flags.ts';
import { renderSaved } from '../../cli/render/answers/content.ts';
import { resourceAnswer } from '../../cli/render/answers/resource.ts';
import { visible } from '../../cli/render/text.ts';
import { cancelOnSignal } from '../../cli/terminal/signals.ts';
import type { ReadResult } from '../../mcp/client/session.ts';

export default class McpRead extends BaseCommand {
  static override summary = 'Read a resource of a server';
  static override description =
    'Opens a session to a running server and prints a resource: its text or, into a file or pipe, its bytes as they are. ' +
    'What is binary is not printed on a terminal; --out saves it. Exits 66 when there is no such resource.';
  static override examples = [
    { description: 'A text', command: 'looms mcp read everything demo://resource/static/document/features.md' },
    {
      description: 'Save it under its own name in a folder',
      command: 'looms mcp read everything demo://resource/dynamic/blob/1 --out downloads/',
    },
    {
      description: 'The contents as the server sent them',
      command: 'looms mcp read everything demo://resource/dynamic/text/1 --json',
    },
  ];
  static override args = {
    server: requiredArg({ description: 'name of the server' }),
    uri: requiredArg({ description: 'URI of the resource, as `mcp resources` shows it' }),
  };
  static override flags = {
    out: Flags.string({
      description: 'write it to this file, or under its own name into this folder; no file is replaced',
      helpValue: 'DIR|FILE',
    }),
    ...trustFlags,
    ...gatewayFlags,
    ...placeFlags,
  };

  async run(): Promise<ReadResult> {
    const { flags, args } = await this.parse(McpRead);
    const { ports, project, terminal } = await this.open(flags);
    const request = {
      project: project.name,
      server: serverName(args.server),
      uri: args.uri,
      ...(flags.out === undefined ? {} : { out: flags.out }),
    };
    const { result, parts, saved } = await cancelOnSignal(this.program, (signal) =>
      readResource(ports, request, { signal }),
    );
    for (const file of saved) terminal.notice(renderSaved(file));
    if (this.jsonEnabled() || saved.length > 0) return result;
    const answer = resourceAnswer(request.uri, parts, terminal.answerIsTerminal);
    if (answer.kind === 'exactly') terminal.answerExactly(answer.content);
    else if (answer.kind === 'text') this.pass(() => answer.text);
    else terminal.notice(`${visible(request.uri)} is empty: the server sent no content`);
    return result;
  }
}
