import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** What a process in a container is, sees and may do: values by the names of fixtures/executor/state/probe.sh. */
export type ContainerState = ReadonlyMap<string, string>;

/** Facts of the machine and of the process that made the container, which the state is told in terms of. */
export interface BuilderFacts {
  readonly namespaces: Readonly<Record<string, string>>;
  /** Soft and hard, by the probe's names. */
  readonly limits: Readonly<Record<string, readonly [string, string]>>;
  /** /proc/PID/status. */
  readonly status: string;
  readonly oomScoreAdj: string;
}

const INHERITED = "the builder's";
const ALL_CAPABILITIES = "all of the builder's";
const FROM_MACHINE = "the machine's";
const OF_STEP = "the step's";
const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'];

/** Reads the facts of the running process `pid`, of whom this one may ask. */
export function builderFacts(pid: number): BuilderFacts {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8');
  const limits = [...read('limits').matchAll(/^Max (.{22})(.{21})(.{21})/gm)].map(
    ([, name = '', soft = '', hard = '']) =>
      [name.trim().replaceAll(' ', '-'), [soft.trim(), hard.trim()] as const] as const,
  );
  return {
    namespaces: Object.fromEntries(NAMESPACES.map((name) => [name, readlinkSync(`/proc/${pid}/ns/${name}`)])),
    limits: Object.fromEntries(limits),
    status: read('status'),
    oomScoreAdj: read('oom_score_adj').trim(),
  };
}

/** The probe's output without what differs from machine to machine and from kernel to kernel. */
export function containerState(probed: string, builder: BuilderFacts): ContainerState {
  const raw = probed
    .trim()
    .split('\n')
    .map((line): readonly [string, string] => {
      const space = line.indexOf(' ');
      return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1).trim()];
    });
  const fields = raw.flatMap(([name, value]) => normalised(name, value, builder));
  const state = new Map(fields);
  // Devices are mounted in whichever order.
  const order = (state.get('mounts.order') ?? '').split(' ').filter((target) => !isKernelsOwn(target));
  const isNode = (target: string) =>
    [FROM_MACHINE, OF_STEP].some((whose) => state.get(`mount.${target}`)?.endsWith(whose));
  state.set('mounts.order', order.filter((target) => !isNode(target)).join(' '));
  if (state.get('namespace.net') === INHERITED) state.delete('network.devices');
  // With every capability it depends on which ones the builder has.
  if (state.get('status.CapEff') === ALL_CAPABILITIES) state.delete('may.raise-limit');
  return state;
}

/** Fields in which the two differ. What a kernel lacks, and what only one kernel has to be covered, is no difference. */
export function differingFields(ours: ContainerState, theirs: ContainerState): string[] {
  return [...new Set([...ours.keys(), ...theirs.keys()])].filter((name) => {
    const values = [ours.get(name), theirs.get(name)];
    if (values.includes('absent') || (name.startsWith('cover.') && values.includes(undefined))) return false;
    return values[0] !== values[1];
  });
}

/** A text of the state, a line a field, and back. Lines that begin with `#` are comments. */
export function stateText(state: ContainerState): string {
  return [...state].map(([name, value]) => `${name} ${value}`.trimEnd()).join('\n');
}

export function parseState(text: string): ContainerState {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) =>
      line.includes(' ') ? [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] : [line, ''],
    ),
  );
}

function normalised(name: string, value: string, builder: BuilderFacts): (readonly [string, string])[] {
  const [kind = ''] = name.split('.');
  const key = name.slice(kind.length + 1);
  switch (kind) {
    case 'namespace':
      return [[name, namespace(value, builder.namespaces[key])]];
    case 'limit':
      return limit(name, value.split(' '), builder.limits[key]);
    case 'machine':
      return [[name, builder.status.includes(`${key}:\t${value}\n`) ? INHERITED : value]];
    case 'mount':
      return mount(key, value);
    case 'host':
      return [[name, value === hostname() ? FROM_MACHINE : value]];
    case 'cgroup':
      return [['cgroup', value === '/' ? 'the root' : 'as on the machine']];
    case 'status':
    case 'child':
      return [[name, key.startsWith('Cap') && value === allCapabilities(builder) ? ALL_CAPABILITIES : value]];
    case 'device':
      return [[name.replace(/^(device\.\/dev\/loop)\d+$/, '$1N'), value.replace(/^(block .*) 7:\d+$/, '$1 7:N')]];
    case 'descriptor':
      return [[name, value.replace(/pipe:\[\d+\]/, 'pipe')]];
    default:
      return [[name, name === 'process.oom_score_adj' && value === builder.oomScoreAdj ? INHERITED : value]];
  }
}

function allCapabilities({ status }: BuilderFacts): string {
  return /^CapBnd:\t(.*)$/m.exec(status)?.[1] ?? '';
}

function namespace(id: string, builders: string | undefined): string {
  if (id === '') return '';
  return id === builders ? INHERITED : 'its own';
}

function limit(
  name: string,
  [soft = '', hard = '']: string[],
  builders: readonly [string, string] | undefined,
): [string, string][] {
  return [
    [`${name}.soft`, soft === builders?.[0] ? INHERITED : soft],
    [`${name}.hard`, hard === builders?.[1] ? INHERITED : hard],
  ];
}

/** What lies below depends on the kernel: whether it is hidden is asked of each file. */
function isKernelsOwn(target: string): boolean {
  return /^\/(proc|sys)\/./.test(target);
}

function mount(target: string, value: string): [string, string][] {
  const [, flags = '', root = '', propagation = '', type = '', source = '', options = ''] =
    /^(\S+) root=(\S+) propagation=\[(.*)\] (\S+) (\S+) ?(\S*)$/.exec(value) ?? [];
  if (target.startsWith('/sys/fs/cgroup')) return type.startsWith('cgroup') ? [['mount.cgroup', flags]] : [];
  if (isKernelsOwn(target))
    return [[`cover.${target}`, flags.startsWith('ro,') || root.endsWith('/null') ? 'read-only or null' : flags]];
  if (target.startsWith('/etc/')) return [[`mount.${target}`, flags]];
  if (type === 'overlay') return [[`mount.${target}`, `${flags} overlay`]];
  if (target.startsWith('/dev/') && root !== '/')
    return [[`mount.${target}`, `${flags} ${type === 'tmpfs' ? OF_STEP : FROM_MACHINE}`]];
  // Owners are told in the machine's ids.
  const kept = options.split(',').filter((option) => !/^([ug]id=|inode)/.test(option));
  const peers = propagation === '' ? [] : [`propagated ${propagation}`];
  return [[`mount.${target}`, [flags, type, source, root, kept.join(','), ...peers].join(' ')]];
}
