import type { BuildRequest, OutputSpec } from '../build.ts';
import { BUILD_OPTIONS } from './build-options.ts';
import { parseAddHosts } from './options/add-host.ts';
import { type Call, parseCall } from './options/call.ts';
import { parseCount } from './options/count.ts';
import { parseDns } from './options/dns.ts';
import { parseDuration } from './options/duration.ts';
import { parseEntitlements } from './options/entitlements.ts';
import { parseEpoch } from './options/epoch.ts';
import { invalidOption, unsupportedOption } from './options/invalid-option.ts';
import { parseBuildArgs, parseLabels } from './options/key-values.ts';
import { parseBuildContexts, parsePlatforms, parseTags } from './options/names.ts';
import { parseOutputs, writesToStdout } from './options/output.ts';
import { parseResources, RESOURCE_KEYS } from './options/resources.ts';
import { parseSecrets } from './options/secret.ts';
import { parseSize } from './options/size.ts';
import { parseSsh } from './options/ssh.ts';
import { parseUlimits } from './options/ulimit.ts';
import type { BuildArguments } from './parse-arguments.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line is run in. */
export interface CommandSurroundings {
  readonly env: Environment;
  readonly cwd: string;
  /** The store's folder where nothing names another. */
  readonly defaultRoot: string;
}

export const PROGRESS_MODES = ['auto', 'tty', 'plain', 'quiet', 'rawjson', 'none'] as const;
export type ProgressChoice = (typeof PROGRESS_MODES)[number];

/** What of the command line is not the build's business but that of the command around it. */
export interface CommandSettings {
  readonly progress: ProgressChoice;
  /** Print the image id, and nothing else. */
  readonly quiet: boolean;
  readonly debug: boolean;
  /** A RUN that fails opens a shell where there is a terminal. */
  readonly shellOnFailure: boolean;
  readonly iidfile?: string;
  readonly metadataFile?: string;
  /** Set where the build is not to be run. */
  readonly call?: Call;
}

/** Understands the options, each strictly: a value that is not understood is an error with a code SLIPWAY_OPTION_…. */
export function buildRequest(
  args: BuildArguments,
  surroundings: CommandSurroundings,
): { readonly request: BuildRequest; readonly settings: CommandSettings } {
  refuseUnsupported(args);
  const options = new OptionValues(args.options);
  const outputs = parseOutputs({
    outputs: options.all('output'),
    push: options.isOn('push'),
    load: options.isOn('load'),
  });
  const settings = commandSettings(options, surroundings.env, outputs);
  return { request: requestOf(args.context, options, outputs, surroundings), settings };
}

function requestOf(
  context: string,
  options: OptionValues,
  outputs: readonly OutputSpec[],
  { env, cwd, defaultRoot }: CommandSurroundings,
): BuildRequest {
  const buildArgs = parseBuildArgs(options.all('build-arg'), env);
  if (env.SOURCE_DATE_EPOCH && buildArgs.SOURCE_DATE_EPOCH === undefined)
    buildArgs.SOURCE_DATE_EPOCH = env.SOURCE_DATE_EPOCH;
  const network = options.choice('network', ['default', 'none', 'host']) ?? 'default';
  const platforms = options.all('platform');
  const shmSize = options.last('shm-size');
  return {
    context,
    cwd,
    tags: parseTags(options.all('tag')),
    buildArgs,
    buildContexts: parseBuildContexts(options.all('build-context')),
    labels: parseLabels(options.all('label')),
    annotations: options.all('annotation'),
    platforms: parsePlatforms(platforms.length > 0 ? platforms : [env.DOCKER_DEFAULT_PLATFORM ?? '']),
    noCache: options.isOn('no-cache'),
    noCacheFilter: options.all('no-cache-filter').flatMap((value) => value.split(',')),
    pull: options.isOn('pull'),
    outputs,
    secrets: parseSecrets(options.all('secret'), env),
    ssh: sshOf(context, options.all('ssh'), env),
    network,
    addHosts: parseAddHosts(options.all('add-host')),
    allow: parseEntitlements([...options.all('allow'), ...(network === 'host' ? ['network.host'] : [])]),
    ulimits: parseUlimits(options.all('ulimit')),
    isolation: isolationOf(options, env),
    root: options.last('root') || env.SLIPWAY_ROOT || defaultRoot,
    env,
    ...defined('dns', parseDns(options.all('dns'), options.all('dns-search'))),
    ...(options.all('ca-cert').length === 0 ? {} : { caCertificates: options.all('ca-cert') }),
    ...defined('stepTimeoutMs', parseDuration('--timeout', options.last('timeout'))),
    ...defined('keepFailed', parseCount('--keep-failed', options.last('keep-failed'))),
    ...defined('file', options.last('file')),
    ...defined('target', options.last('target')),
    ...defined('shmSizeBytes', shmSize === undefined ? undefined : parseSize('--shm-size', shmSize)),
    ...defined('resources', parseResources([...legacyResources(options), ...options.all('resource')])),
    ...defined('cgroupParent', options.last('cgroup-parent')),
    ...defined('epoch', parseEpoch(buildArgs.SOURCE_DATE_EPOCH)),
    ...defined('ociRuntime', options.last('oci-runtime') ?? (env.SLIPWAY_OCI_RUNTIME || undefined)),
  };
}

/** A context that is fetched over ssh is given the user's agent, as docker buildx does. */
function sshOf(context: string, values: readonly string[], env: Environment): BuildRequest['ssh'] {
  const given = parseSsh(values);
  const isNeeded = /^(?:ssh:\/\/|[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:)/.test(context);
  return isNeeded && given.length === 0 && env.SSH_AUTH_SOCK ? [{ id: 'default', paths: [] }] : given;
}

function commandSettings(options: OptionValues, env: Environment, outputs: readonly OutputSpec[]): CommandSettings {
  const given = options.last('progress');
  const [source, text] = given === undefined ? ['BUILDKIT_PROGRESS', env.BUILDKIT_PROGRESS] : ['--progress', given];
  const progress = PROGRESS_MODES.find((mode) => mode === (text || 'auto'));
  if (progress === undefined) throw invalidOption(source, `"${text}": expected one of ${PROGRESS_MODES.join(', ')}`);
  const isQuiet = options.isOn('quiet');
  if (isQuiet && given !== undefined && progress !== 'auto' && progress !== 'quiet')
    throw invalidOption('--quiet', `cannot be used together with --progress=${progress}`);
  const iidfile = options.last('iidfile');
  if (iidfile !== undefined && outputs.some(({ type }) => type === 'local' || type === 'tar'))
    throw invalidOption('--iidfile', 'an output of type local or tar has no image id');
  return {
    progress: isQuiet ? 'quiet' : progress,
    quiet: (isQuiet || progress === 'quiet') && !outputs.some(writesToStdout),
    debug: options.isOn('debug'),
    shellOnFailure: options.choice('on-failure', ['shell', 'keep']) === 'shell',
    ...defined('iidfile', iidfile),
    ...defined('metadataFile', options.last('metadata-file')),
    ...defined('call', callOf(options)),
  };
}

/** `--check` wins where it stands beside others, as the last of docker's aliases does. */
function callOf(options: OptionValues): Call | undefined {
  if (options.isOn('check')) return parseCall('--check', 'check');
  const call = options.last('call');
  return call === undefined ? parseCall('--print', options.last('print') ?? '') : parseCall('--call', call);
}

function refuseUnsupported(args: BuildArguments): void {
  for (const { name, unsupported, harmless } of BUILD_OPTIONS) {
    if (unsupported === undefined) continue;
    for (const value of args.options.get(name) ?? [])
      if (!harmless?.test(value)) throw unsupportedOption(`--${name}`, unsupported);
  }
}

function isolationOf(options: OptionValues, env: Environment): BuildRequest['isolation'] {
  const kinds = ['auto', 'oci', 'native', 'chroot'] as const;
  const given = options.choice('isolation', kinds);
  if (given !== undefined) return given;
  const text = env.SLIPWAY_ISOLATION || 'auto';
  const kind = kinds.find((one) => one === text);
  if (kind === undefined) throw invalidOption('SLIPWAY_ISOLATION', `"${text}": expected one of ${kinds.join(', ')}`);
  return kind;
}

function legacyResources(options: OptionValues): readonly string[] {
  return RESOURCE_KEYS.flatMap((key) => options.all(key).map((value) => `${key}=${value}`));
}

/** The options' values by name. */
class OptionValues {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** Every value that is not empty: docker takes `--tag=` as no tag. */
  all(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).filter((value) => value !== '');
  }

  last(name: string): string | undefined {
    return this.#values.get(name)?.at(-1) || undefined;
  }

  isOn(name: string): boolean {
    const text = this.last(name) ?? 'false';
    if (/^(1|t|true)$/i.test(text)) return true;
    if (/^(0|f|false)$/i.test(text)) return false;
    throw invalidOption(`--${name}`, `"${text}": expected true or false`);
  }

  choice<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const text = this.last(name);
    if (text === undefined) return undefined;
    const value = values.find((one) => one === text);
    if (value === undefined) throw invalidOption(`--${name}`, `"${text}": expected one of ${values.join(', ')}`);
    return value;
  }
}

function defined<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: Value });
}
