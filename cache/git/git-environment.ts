import type { GitRemote } from './git-remote.ts';

/** What decides over how git runs for one remote. */
export interface GitAccess {
  /** Value of an Authorization header for the remote. */
  readonly authorization?: string;
  /** An agent's socket. */
  readonly sshSocket?: string;
  /** Files with the keys of ssh hosts; new ones are added to the first. */
  readonly knownHosts: readonly string[];
  /** Of this process: PATH and the proxies are taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What git may speak with servers; `file` only between two folders of our own. */
export type GitProtocols = 'remote' | 'file';

const PASSED = [
  'PATH',
  ...['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()]),
];

/**
 * The whole environment of git, configuration included: it stands in variables and not in arguments, which every user of the machine can
 * read. Nothing of the machine's own configuration reaches git, and nothing that a repository brings along is run.
 */
export function gitEnvironment(remote: GitRemote, access: GitAccess, protocols: GitProtocols): Record<string, string> {
  const config = [
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['core.attributesFile', '/dev/null'],
    ['init.templateDir', ''],
    ['init.defaultBranch', 'master'],
    ['advice.detachedHead', 'false'],
    ['credential.helper', ''],
    ['gc.auto', '0'],
    ['maintenance.auto', 'false'],
    ['fetch.recurseSubmodules', 'false'],
    ['protocol.ext.allow', 'never'],
    ['protocol.file.allow', protocols === 'file' ? 'always' : 'never'],
    // A transfer that stands still for a minute is given up.
    ['http.lowSpeedLimit', '1'],
    ['http.lowSpeedTime', '60'],
    ...authorizationConfig(remote, access),
  ] as const;
  return {
    ...Object.fromEntries(PASSED.flatMap((name) => (access.env[name] ? [[name, access.env[name]]] : []))),
    LC_ALL: 'C',
    HOME: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
    GIT_ALLOW_PROTOCOL: protocols === 'file' ? 'file' : 'https:http:ssh:git',
    GIT_SSH_COMMAND: sshCommand(access),
    ...(access.sshSocket === undefined ? {} : { SSH_AUTH_SOCK: access.sshSocket }),
    GIT_CONFIG_COUNT: String(config.length),
    ...Object.fromEntries(
      config.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}

/** A redirect would take the header to wherever the server likes, so there is none where there is a header. */
function authorizationConfig({ url }: GitRemote, { authorization }: GitAccess): readonly (readonly [string, string])[] {
  if (authorization === undefined) return [];
  return [
    [`http.${scopeOf(url)}.extraHeader`, `Authorization: ${authorization}`],
    ['http.followRedirects', 'false'],
  ];
}

/** The remote alone; at GitHub everything, so that private submodules are found, as BuildKit and actions/checkout have it. */
function scopeOf(url: string): string {
  return /^https:\/\/(?:www\.)?github\.com\//.exec(url)?.[0] ?? url;
}

function sshCommand({ knownHosts }: GitAccess): string {
  const files = knownHosts.map((path) => `"${path}"`).join(' ');
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile=${files}`,
    // Only what the user lends with --ssh, never the keys of the machine.
    'IdentityFile=none',
  ];
  return ['ssh', '-F', '/dev/null', ...options.flatMap((option) => ['-o', quoted(option)])].join(' ');
}

/** For the shell that git gives the command to. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
