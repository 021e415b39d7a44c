import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { listenAddress } from '../cli/command-line/listen-address.ts';
import { exitCodeOfSignal } from '../cli/exit-codes.ts';
import { durationFlag, keepOf, placeFlags, trustFlags } from '../cli/flags.ts';
import { nearCommands } from '../cli/near/near-commands.ts';
import type { nearNames } from '../cli/near/near-frames.ts';
import { renderServing, type Serving } from '../cli/render/serving.ts';
import { visible } from '../cli/render/text.ts';
import { alerting } from '../cli/run/alerting.ts';
import { keepWatching, loopRecord, watchFlags } from '../cli/run/keep-watching.ts';
import { measuring } from '../cli/run/measuring.ts';
import { listenForSignals } from '../cli/terminal/signals.ts';
import { LoomsError } from '../model/errors.ts';
import { usualServe } from '../model/serve-settings.ts';

/** What it does for `looms mcp …` of the same user. */
const commands = {
  call: () => import('./mcp/call.ts'),
  tools: () => import('./mcp/tools.ts'),
  read: () => import('./mcp/read.ts'),
  health: () => import('./mcp/health.ts'),
  resources: () => import('./mcp/resources.ts'),
  prompts: () => import('./mcp/prompts.ts'),
  prompt: () => import('./mcp/prompt.ts'),
} satisfies Readonly<Record<(typeof nearNames)[number], () => Promise<unknown>>>;

const usualBounds = { idleSeconds: 900, max: 64, maxPerPrincipal: 32 };

export default class Serve extends BaseCommand {
  static override summary = 'Give clients one address for all servers of a project';
  static override description =
    'A gateway in the foreground, until Ctrl-C: each server that runs is at /mcp/NAME, all of them together are at /mcp. ' +
    'Tool filter, secrets, time limit and audit trail hold for every client as they do for looms mcp call. It listens on a ' +
    'Unix socket of its user; with --listen on TCP as well, where every request needs a token: that of --token-file, one of ' +
    '`looms token new`, or one that `serve` of looms.yaml names, which has settings for all of this. It makes, ' +
    'starts and stops no container but with --watch, and goes over to a new one when a server is replaced.';
  static override examples = [
    { description: 'And keep the servers as the specs say', command: 'looms serve --watch -f specs/' },
    { description: 'On the socket alone', command: 'looms serve' },
    { description: 'For clients that speak HTTP', command: 'looms serve --listen 127.0.0.1:7777' },
  ];
  static override flags = {
    listen: Flags.string({ description: 'listen on TCP as well', helpValue: 'HOST:PORT' }),
    'token-file': Flags.string({
      description:
        'the token of TCP clients that may do everything; made when it is not there: default is a file in the state folder, where looms.yaml names no other tokens',
      helpValue: 'FILE',
    }),
    sse: Flags.boolean({
      description: 'also serve clients of the old HTTP+SSE transport: GET /sse/NAME, or /sse for all servers',
      default: false,
    }),
    idle: durationFlag(1)({
      description: 'how long a session that nobody uses is kept: default is that of looms.yaml, then 15m',
    }),
    'max-sessions': Flags.integer({
      description:
        'how many sessions there may be; the least recently used one goes first: default is that of looms.yaml, then 64',
      helpValue: 'N',
      min: 1,
      max: 10_000,
    }),
    'max-per-principal': Flags.integer({
      description: 'how many of them the socket, or one token, may have: default is that of looms.yaml, then 32',
      helpValue: 'N',
      min: 1,
      max: 10_000,
    }),
    watch: Flags.boolean({
      description: 'keep the servers as the specs say, as looms watch does, in the same program',
    }),
    ...watchFlags,
    ...placeFlags,
    ...trustFlags,
  };

  protected override get goesOn(): boolean {
    return true;
  }

  async run(): Promise<void> {
    const { flags, metadata } = await this.parse(Serve);
    for (const name of Object.keys(watchFlags)) {
      const isGiven = name in flags && metadata.flags[name]?.setFromDefault !== true;
      if (isGiven && flags.watch !== true) throw new LoomsError('usage', `--${name} only works together with --watch`);
    }
    const context = await this.open(flags);
    const { serve, project, projectFile, terminal } = context;
    const { listen: configured, tokenFile: named, sessions } = projectFile?.file.serve ?? usualServe;
    const listen = flags.listen ?? configured;
    const tokenFile = flags['token-file'] ?? named;
    if (flags['token-file'] !== undefined && listen === undefined) {
      throw new LoomsError('usage', '--token-file has no effect without --listen or serve.listen of looms.yaml');
    }
    const address = listen === undefined ? undefined : listenAddress(listen);
    const interruption = listenForSignals(flags.watch ? flags.grace * 1000 : 0, () => {});
    const { stop } = interruption;
    const { sampler, begin, families } = await measuring(context, { keepsPast: address !== undefined });
    const loop = flags.watch ? await loopRecord(flags, context) : undefined;
    const alerts = loop && (await alerting(context, { sampler, status: loop.status }));
    const log = (text: string): void => terminal.notice(`${terminal.noticePalette.note('note')}: ${visible(text)}`);
    const running = await serve(project.name, {
      bounds: {
        idleMs: (flags.idle ?? sessions.idleSeconds ?? usualBounds.idleSeconds) * 1000,
        most: flags['max-sessions'] ?? sessions.max ?? usualBounds.max,
        mostEach: flags['max-per-principal'] ?? sessions.maxPerPrincipal ?? usualBounds.maxPerPrincipal,
      },
      ...(address === undefined ? {} : { listen: { ...address, tokenFile } }),
      sse: flags.sse,
      log,
      loop: loop?.status,
      measured: async () => [...(await families()), ...(alerts?.families() ?? [])],
      page: {
        sampler,
        loop: loop?.status,
        alerts,
        keep: keepOf(flags, context),
        root: this.config.root,
        stop,
        abort: interruption.abort,
        atOnce: interruption.atOnce,
      },
      near: (warm, engine) =>
        nearCommands({
          version: this.config.version,
          root: this.config.root,
          project: project.name,
          engine,
          commands,
          warm,
          log,
        }),
    });
    const serving: Serving = {
      project: project.name,
      socket: running.socket,
      ...(running.url === undefined ? {} : { url: running.url }),
      ...(running.tokenFile === undefined ? {} : { tokenFile: running.tokenFile }),
    };
    // It goes out now, and not when the command ends.
    if (this.jsonEnabled()) await terminal.stream(JSON.stringify(serving));
    else this.answer(() => renderServing(serving, terminal.palette));
    const endLooks = begin();
    try {
      if (loop !== undefined && alerts !== undefined) {
        const watching = { ...interruption, record: loop.record, alerts, json: this.jsonEnabled() };
        await keepWatching(flags, context, watching);
      } else if (!stop.aborted) {
        await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
      }
    } finally {
      await Promise.all([running.close(), endLooks()]);
    }
    interruption.dispose();
    process.exitCode = exitCodeOfSignal(interruption.received());
  }
}
