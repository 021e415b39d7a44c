import { existsSync, readFileSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { join } from 'node:path';
import type { Command } from '@oclif/core/command';
import { Config, Plugin } from '@oclif/core/config';
import { Help } from '@oclif/core/help';

/**
 * Shows the help that the words ask for, with oclif's own pages and what the manifest says of commands. oclif's `run`
 * comes to the same, but looks for plugins, the user's shell and more first. False, with nothing shown, where what it
 * finds would change the pages: a theme of the user's, Windows below Linux. Throws as oclif does for words that name
 * nothing.
 */
export async function showHelp(words: readonly string[], root: string): Promise<boolean> {
  if (words[0] === '--version') return false;
  const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { name, version, oclif } = pjson;
  const { bin, dirname, topicSeparator } = oclif;
  const { platform, arch, version: node } = process;
  const config: Config = Object.assign(new Config({ root }), {
    root,
    pjson,
    name,
    version,
    bin,
    dirname,
    topicSeparator,
    userAgent: `${name}/${version} ${platform}-${arch} node-${node}`,
    home: process.env.HOME || homedir(),
  });
  if (isOther(config)) return false;
  const { commands } = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'));
  const plugin = Object.assign(new Plugin({ root, type: 'core', isRoot: true }), { root, pjson, name, version });
  plugin.commands = Object.values<Command.Loadable>(commands).sort((a, b) => a.id.localeCompare(b.id));
  config.plugins.set(name, plugin);
  inner(config).loadCommands(plugin);
  inner(config).loadTopics(plugin);
  await new Help(config, oclif.helpOptions).showHelp([...words]);
  return true;
}

/** How oclif fills itself, which its types keep to itself. */
const inner = (config: Config) =>
  config as unknown as {
    readonly loadCommands: (from: Plugin) => void;
    readonly loadTopics: (from: Plugin) => void;
    readonly dir: (category: 'config') => string;
  };

function isOther(config: Config): boolean {
  if (process.platform === 'win32' || process.arch === 'ia32') return true;
  const isWsl =
    process.platform === 'linux' &&
    (release().toLowerCase().includes('microsoft') ||
      ['/proc/sys/fs/binfmt_misc/WSLInterop', '/run/WSL'].some((path) => existsSync(path)));
  const folder = config.scopedEnvVar('CONFIG_DIR') || inner(config).dir('config');
  return isWsl || existsSync(join(folder, 'theme.json'));
}
