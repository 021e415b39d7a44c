import { join } from 'node:path';
import type { Client, Place } from './client.ts';

const standard = { command: 'command', args: 'args', env: 'env', more: {} } as const;
const typed = { ...standard, more: { type: 'stdio' } } as const;

/** Where programs keep their settings on this system. */
function settingsFolder({ platform, home, environment }: Place): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support');
  if (platform === 'win32') return environment.APPDATA || join(home, 'AppData', 'Roaming');
  return environment.XDG_CONFIG_HOME || join(home, '.config');
}

const configFolder = ({ home, environment }: Place): string => environment.XDG_CONFIG_HOME || join(home, '.config');

/** The clients that looms knows, by what their own documentation says of their files (docs/clients.md). */
export const clients: readonly Client[] = [
  {
    id: 'claude-code',
    title: 'Claude Code',
    format: 'json',
    key: 'mcpServers',
    files: ({ home, environment }) => [join(environment.CLAUDE_CONFIG_DIR || home, '.claude.json')],
    traces: ({ home }) => [join(home, '.claude')],
    projectFile: '.mcp.json',
    local: typed,
    remote: { url: 'url', headers: 'headers', more: { type: 'http' }, variable: ['${', '}'] },
  },
  {
    id: 'claude-desktop',
    title: 'Claude Desktop',
    format: 'json',
    key: 'mcpServers',
    files: (place) => [join(settingsFolder(place), 'Claude', 'claude_desktop_config.json')],
    local: standard,
  },
  {
    id: 'cursor',
    title: 'Cursor',
    format: 'json',
    key: 'mcpServers',
    files: ({ home }) => [join(home, '.cursor', 'mcp.json')],
    projectFile: '.cursor/mcp.json',
    local: standard,
    remote: { url: 'url', headers: 'headers', more: {}, variable: ['${env:', '}'] },
  },
  {
    id: 'vscode',
    title: 'VS Code',
    format: 'json',
    key: 'servers',
    files: (place) => [join(settingsFolder(place), 'Code', 'User', 'mcp.json')],
    projectFile: '.vscode/mcp.json',
    local: typed,
    remote: { url: 'url', headers: 'headers', more: { type: 'http' }, variable: ['${env:', '}'] },
  },
  {
    id: 'windsurf',
    title: 'Windsurf',
    format: 'json',
    key: 'mcpServers',
    files: ({ home }) => [join(home, '.codeium', 'windsurf', 'mcp_config.json')],
    local: standard,
    remote: { url: 'serverUrl', headers: 'headers', more: {}, variable: ['${env:', '}'] },
  },
  {
    id: 'codex',
    title: 'Codex',
    format: 'toml',
    key: 'mcp_servers',
    files: ({ home, environment }) => [join(environment.CODEX_HOME || join(home, '.codex'), 'config.toml')],
    projectFile: '.codex/config.toml',
    local: standard,
    remote: { url: 'url', headers: 'http_headers', more: {}, tokenVariable: 'bearer_token_env_var' },
  },
  {
    id: 'gemini',
    title: 'Gemini CLI',
    format: 'json',
    key: 'mcpServers',
    files: ({ home }) => [join(home, '.gemini', 'settings.json')],
    projectFile: '.gemini/settings.json',
    local: standard,
    remote: { url: 'httpUrl', headers: 'headers', more: {}, variable: ['${', '}'] },
  },
  {
    id: 'zed',
    title: 'Zed',
    format: 'json',
    key: 'context_servers',
    files: (place) => [
      join(place.platform === 'win32' ? settingsFolder(place) : configFolder(place), 'zed', 'settings.json'),
    ],
    projectFile: '.zed/settings.json',
    local: { ...standard, more: { source: 'custom' } },
    remote: { url: 'url', headers: 'headers', more: {} },
  },
  {
    id: 'goose',
    title: 'Goose',
    format: 'yaml',
    key: 'extensions',
    named: true,
    files: (place) => [
      place.platform === 'win32'
        ? join(settingsFolder(place), 'Block', 'goose', 'config', 'config.yaml')
        : join(configFolder(place), 'goose', 'config.yaml'),
    ],
    local: {
      command: 'cmd',
      args: 'args',
      env: 'envs',
      more: { type: 'stdio', enabled: true, timeout: 300 },
    },
    remote: {
      url: 'uri',
      headers: 'headers',
      more: { type: 'streamable_http', enabled: true, timeout: 300 },
      variable: ['${', '}'],
      variables: 'env_keys',
    },
  },
  {
    id: 'opencode',
    title: 'opencode',
    format: 'json',
    key: 'mcp',
    files: (place) => ['opencode.json', 'opencode.jsonc'].map((name) => join(configFolder(place), 'opencode', name)),
    projectFile: 'opencode.json',
    local: { command: 'command', env: 'environment', more: { type: 'local', enabled: true } },
    remote: {
      url: 'url',
      headers: 'headers',
      more: { type: 'remote', enabled: true },
      variable: ['{env:', '}'],
      file: ['{file:', '}'],
    },
  },
  {
    id: 'jetbrains',
    title: 'JetBrains (Junie)',
    format: 'json',
    key: 'mcpServers',
    files: ({ home }) => [join(home, '.junie', 'mcp', 'mcp.json')],
    projectFile: '.junie/mcp/mcp.json',
    local: standard,
  },
];
