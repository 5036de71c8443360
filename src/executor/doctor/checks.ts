import type { Check } from './diagnosis.ts';
import type { MachineFacts, ProgramName } from './machine-facts.ts';
import { namespaceFix } from './namespace-fix.ts';

/** Images use ids up to 65534 (nobody). */
const NEEDED_IDS = 65_535;
const NEEDED_NODE = 24;
/** From which on overlayfs can be mounted in user namespaces. */
const ROOTLESS_OVERLAY = [5, 11] as const;
const CHROOT_CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];
/** Filesystems that overlayfs does not take for what is written. */
const NO_UPPER = ['overlay', 'nfs'];

/** Everything that `slipway doctor` looks at, in the order in which it is shown. */
export function machineChecks(facts: MachineFacts): Check[] {
  const rootless = [idMaps(facts), subordinateIds(facts), rootlessOverlay(facts)];
  return [
    node(facts),
    user(facts),
    namespaces(facts),
    utilLinux(facts),
    ...(facts.euid === 0 ? [chrootCapabilities(facts)] : rootless),
    ociRuntime(facts),
    libseccomp(facts),
    network(facts),
    cgroups(facts),
    binfmt(facts),
    store(facts),
    storeFilesystem(facts),
    program(facts, 'git', 'contexts and ADD from Git repositories'),
    program(facts, 'xz', 'ADD of .tar.xz archives', 'xz-utils'),
    program(facts, 'bzip2', 'ADD of .tar.bz2 archives'),
  ];
}

function node({ nodeVersion }: MachineFacts): Check {
  const isNew = Number(nodeVersion.split('.')[0]) >= NEEDED_NODE;
  const found = `Node ${nodeVersion}`;
  if (isNew) return { name: 'node', state: 'ok', found };
  return {
    name: 'node',
    state: 'missing',
    found,
    effect: 'slipway does not start',
    fix: `npm install node@${NEEDED_NODE}`,
  };
}

function user({ euid, inUserNamespace }: MachineFacts): Check {
  const where = inUserNamespace ? ', in a user namespace' : '';
  return { name: 'user', state: 'ok', found: euid === 0 ? `root${where}` : `uid ${euid}${where}` };
}

function namespaces(facts: MachineFacts): Check {
  const name = 'namespaces';
  if (facts.namespaces.work) return { name, state: 'ok', found: 'can be made' };
  const effect = 'containers: what is left is chroot isolation, which is for root alone';
  return { name, state: 'missing', found: facts.namespaces.error, effect, fix: namespaceFix(facts) };
}

function utilLinux({ programs }: MachineFacts): Check {
  const needed = ['unshare', 'setpriv', 'nsenter'] as const;
  const missing = needed.filter((name) => programs[name] === undefined);
  if (missing.length === 0) return { name: 'util-linux', state: 'ok', found: needed.join(', ') };
  const fix = installation('util-linux');
  return { name: 'util-linux', state: 'missing', found: `no ${missing.join(', ')}`, effect: 'containers', fix };
}

function chrootCapabilities({ capabilities, inUserNamespace }: MachineFacts): Check {
  const name = 'chroot-capabilities';
  const effect = 'chroot isolation, the last resort';
  if (inUserNamespace) {
    const found = 'in a user namespace nobody makes device nodes';
    return { name, state: 'impossible', found, effect };
  }
  const missing = CHROOT_CAPABILITIES.filter((capability) => !capabilities.includes(capability));
  if (missing.length === 0) return { name, state: 'ok', found: CHROOT_CAPABILITIES.join(', ') };
  const fix = `securityContext: {capabilities: {add: [${missing.map((one) => one.replace('CAP_', '')).join(', ')}]}}`;
  return { name, state: 'missing', found: `no ${missing.join(', ')}`, effect, fix };
}

function idMaps({ programs }: MachineFacts): Check {
  const missing = (['newuidmap', 'newgidmap'] as const).filter((name) => programs[name] === undefined);
  if (missing.length === 0) return { name: 'id-maps', state: 'ok', found: 'newuidmap, newgidmap' };
  const fix = 'sudo apt-get install -y uidmap (Debian, Ubuntu), sudo dnf install -y shadow-utils (Fedora)';
  return { name: 'id-maps', state: 'missing', found: `no ${missing.join(', ')}`, effect: 'builds without root', fix };
}

function subordinateIds({ subordinateIds: { uids, gids }, euid }: MachineFacts): Check {
  const name = 'subordinate-ids';
  const found = `${uids} uids, ${gids} gids`;
  if (Math.min(uids, gids) >= NEEDED_IDS) return { name, state: 'ok', found };
  const fix = `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$(id -un ${euid})"`;
  return { name, state: 'missing', found, effect: 'builds without root', fix };
}

function rootlessOverlay({ kernel }: MachineFacts): Check {
  const name = 'rootless-overlay';
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const isNew = major > ROOTLESS_OVERLAY[0] || (major === ROOTLESS_OVERLAY[0] && minor >= ROOTLESS_OVERLAY[1]);
  if (isNew) return { name, state: 'ok', found: `Linux ${kernel}` };
  const effect = 'builds without root: overlayfs in user namespaces comes with Linux 5.11';
  return { name, state: 'impossible', found: `Linux ${kernel}`, effect };
}

function ociRuntime({ runtimes }: MachineFacts): Check {
  const name = 'oci-runtime';
  const found = runtimes.map(({ path, version }) => `${path} (${version})`).join(', ');
  if (runtimes.length > 0) return { name, state: 'ok', found };
  const effect = 'the fastest start of steps; native isolation needs no runtime';
  return { name, state: 'missing', found: 'neither crun nor runc', effect, fix: installation('crun') };
}

function libseccomp({ hasLibseccomp }: MachineFacts): Check {
  if (hasLibseccomp) return { name: 'libseccomp', state: 'ok', found: 'libseccomp.so.2' };
  const fix = 'apt-get install -y libseccomp2 (Debian, Ubuntu), dnf install -y libseccomp (Fedora)';
  return { name: 'libseccomp', state: 'missing', found: 'no libseccomp.so.2', effect: 'native isolation', fix };
}

function network({ programs, hasTun }: MachineFacts): Check {
  const tool = programs.pasta ?? programs.slirp4netns;
  if (tool !== undefined && hasTun) return { name: 'network', state: 'ok', found: tool };
  const found =
    tool === undefined ? 'neither slirp4netns nor a pasta of 2024 or later' : '/dev/net/tun cannot be opened';
  const fix =
    tool === undefined ? installation('slirp4netns') : 'docker run --device /dev/net/tun, or modprobe tun on a machine';
  return { name: 'network', state: 'missing', found, effect: "a network of their own: steps use the builder's", fix };
}

function cgroups({ cgroups: { version, controllers, writable } }: MachineFacts): Check {
  const name = 'cgroups';
  const found =
    version === undefined ? 'none' : `version ${version}${controllers.length > 0 ? `: ${controllers.join(' ')}` : ''}`;
  if (version !== undefined && writable) return { name, state: 'ok', found };
  const fix =
    version === 1
      ? 'build as root, in a container with docker run --cgroupns host --volume /sys/fs/cgroup:/sys/fs/cgroup:rw'
      : 'systemd-run --user --scope -p Delegate=yes slipway build …';
  return { name, state: 'missing', found: `${found}, not writable`, effect: 'limits of steps (--resource)', fix };
}

function binfmt({ binfmt: names }: MachineFacts): Check {
  const name = 'foreign-platforms';
  if (names !== undefined && names.length > 0) return { name, state: 'ok', found: names.join(', ') };
  const effect = 'RUN steps of --platform other than this machine';
  const fix =
    'apt-get install -y qemu-user-static binfmt-support, or docker run --privileged --rm tonistiigi/binfmt --install all';
  return { name, state: 'missing', found: 'no emulators in /proc/sys/fs/binfmt_misc', effect, fix };
}

function store({ store: { path, writable } }: MachineFacts): Check {
  if (writable) return { name: 'store', state: 'ok', found: path };
  const fix = 'export SLIPWAY_ROOT=<a folder that you may write>';
  return { name: 'store', state: 'missing', found: `${path} cannot be written`, effect: 'every build', fix };
}

function storeFilesystem({ store: { path, filesystem }, surroundings }: MachineFacts): Check {
  const name = 'store-filesystem';
  if (!NO_UPPER.includes(filesystem)) return { name, state: 'ok', found: filesystem };
  const effect = `containers: overlayfs cannot write to ${filesystem}`;
  const fix =
    surroundings === 'kubernetes'
      ? `volumes: [{name: store, emptyDir: {}}] and volumeMounts: [{name: store, mountPath: ${path}}]`
      : `docker run --volume slipway:${path}, or --tmpfs ${path}`;
  return { name, state: 'missing', found: filesystem, effect, fix };
}

function program({ programs }: MachineFacts, name: ProgramName, effect: string, aptPackage: string = name): Check {
  const found = programs[name];
  if (found !== undefined) return { name, state: 'ok', found };
  return { name, state: 'missing', found: 'not installed', effect, fix: `apt-get install -y ${aptPackage}` };
}

function installation(name: string): string {
  return `apt-get install -y ${name} (Debian, Ubuntu), dnf install -y ${name} (Fedora), apk add ${name} (Alpine)`;
}
