/** One option of `slipway build`, as data: the parser, the help and the checks are made from these. */
export interface BuildOption {
  /** Without dashes. */
  readonly name: string;
  readonly short?: string;
  /** `switch`: true or false; `value`: the last one counts; `list`: all count. */
  readonly kind: 'switch' | 'value' | 'list';
  /** What the value is called in the help. */
  readonly value?: string;
  readonly help: string;
  /** Understood, but not shown in the help: docker's older spellings. */
  readonly hidden?: true;
  /** Why the option is refused. */
  readonly unsupported?: string;
  /** Values of an unsupported option that ask for nothing, and are therefore taken. */
  readonly harmless?: RegExp;
}

const FALSE = /^(0|f|false)$/i;
const TRUE = /^(1|t|true)$/i;

/** The options of `docker buildx build`, and slipway's own. */
export const BUILD_OPTIONS: readonly BuildOption[] = [
  { name: 'add-host', kind: 'list', value: 'HOST:IP', help: 'add a line to /etc/hosts of RUN steps' },
  { name: 'allow', kind: 'list', value: 'ENTITLEMENT', help: 'allow network.host, security.insecure or device' },
  { name: 'annotation', kind: 'list', value: 'KEY=VALUE', help: 'add an annotation to the image' },
  { name: 'build-arg', kind: 'list', value: 'NAME[=VALUE]', help: 'set an ARG; without a value, from the environment' },
  { name: 'build-context', kind: 'list', value: 'NAME=WHERE', help: 'add a named context' },
  { name: 'call', kind: 'value', value: 'METHOD', help: 'build, or only: check, outline, targets[,format=json]' },
  { name: 'ca-cert', kind: 'list', value: 'FILE', help: 'certificates that tools in RUN steps trust as well' },
  { name: 'cgroup-parent', kind: 'value', value: 'PATH', help: 'parent cgroup of RUN steps' },
  { name: 'check', kind: 'switch', help: 'check the Dockerfile: --call=check' },
  { name: 'debug', short: 'D', kind: 'switch', help: 'print the stack of an error' },
  { name: 'dns', kind: 'list', value: 'IP', help: 'name server of RUN steps' },
  { name: 'dns-search', kind: 'list', value: 'DOMAIN', help: 'search domain of RUN steps' },
  { name: 'file', short: 'f', kind: 'value', value: 'FILE', help: 'the Dockerfile (default: Dockerfile in CONTEXT)' },
  { name: 'iidfile', kind: 'value', value: 'FILE', help: 'write the image id to a file' },
  { name: 'isolation', kind: 'value', value: 'KIND', help: 'how RUN steps run: auto, oci, native or chroot' },
  {
    name: 'keep-failed',
    kind: 'value',
    value: 'N',
    help: 'keep the last N failed RUN steps for slipway shell (default: 1)',
  },
  { name: 'label', kind: 'list', value: 'KEY=VALUE', help: 'add a label to the image' },
  { name: 'load', kind: 'switch', help: 'load the image into docker: --output=type=docker' },
  { name: 'metadata-file', kind: 'value', value: 'FILE', help: 'write what was built to a file, as JSON' },
  { name: 'network', kind: 'value', value: 'MODE', help: 'network of RUN steps: default, none or host' },
  { name: 'no-cache', kind: 'switch', help: 'run every step again' },
  { name: 'no-cache-filter', kind: 'list', value: 'STAGE', help: 'run the steps of these stages again' },
  { name: 'oci-runtime', kind: 'value', value: 'NAME|PATH', help: 'the OCI runtime (default: crun, else runc)' },
  {
    name: 'on-failure',
    kind: 'value',
    value: 'WHAT',
    help: 'shell: open one in a RUN step that fails; keep (default)',
  },
  { name: 'output', short: 'o', kind: 'list', value: 'OUTPUT', help: 'where the result goes: type=oci,dest=app.tar' },
  { name: 'platform', kind: 'list', value: 'OS/ARCH', help: 'platforms to build for' },
  { name: 'progress', kind: 'value', value: 'MODE', help: 'auto, tty, plain, quiet, rawjson or none' },
  { name: 'pull', kind: 'switch', help: 'look in the registry even for images that are here' },
  { name: 'push', kind: 'switch', help: 'push the image to the registry of its tags' },
  { name: 'quiet', short: 'q', kind: 'switch', help: 'print nothing but the image id' },
  { name: 'resource', kind: 'list', value: 'KEY=VALUE', help: 'limit RUN steps: memory=2g, cpu-quota=50000' },
  { name: 'root', kind: 'value', value: 'FOLDER', help: 'the store (default: $SLIPWAY_ROOT)' },
  { name: 'secret', kind: 'list', value: 'id=ID,src=FILE', help: 'a secret for RUN --mount=type=secret' },
  { name: 'shm-size', kind: 'value', value: 'SIZE', help: 'size of /dev/shm in RUN steps' },
  { name: 'ssh', kind: 'list', value: 'ID[=PATH]', help: 'an SSH agent or keys for RUN --mount=type=ssh' },
  { name: 'tag', short: 't', kind: 'list', value: 'NAME[:TAG]', help: 'name the image' },
  { name: 'target', kind: 'value', value: 'STAGE', help: 'build this stage (default: the last)' },
  { name: 'timeout', kind: 'value', value: 'DURATION', help: 'end a RUN step that takes longer: 90s, 10m' },
  { name: 'ulimit', kind: 'list', value: 'NAME=SOFT[:HARD]', help: 'limit of RUN steps, as setrlimit' },

  { name: 'print', kind: 'value', value: 'METHOD', help: '--call=METHOD', hidden: true },
  { name: 'memory', short: 'm', kind: 'value', value: 'SIZE', help: '--resource memory=SIZE', hidden: true },
  { name: 'memory-swap', kind: 'value', value: 'SIZE', help: '--resource memory-swap=SIZE', hidden: true },
  { name: 'cpu-shares', short: 'c', kind: 'value', value: 'N', help: '--resource cpu-shares=N', hidden: true },
  { name: 'cpu-period', kind: 'value', value: 'N', help: '--resource cpu-period=N', hidden: true },
  { name: 'cpu-quota', kind: 'value', value: 'N', help: '--resource cpu-quota=N', hidden: true },
  { name: 'cpuset-cpus', kind: 'value', value: 'LIST', help: '--resource cpuset-cpus=LIST', hidden: true },
  { name: 'cpuset-mems', kind: 'value', value: 'LIST', help: '--resource cpuset-mems=LIST', hidden: true },

  ...refused(),
];

/** What docker takes and slipway does not; a value that asks for what slipway does anyway is taken. */
function refused(): readonly BuildOption[] {
  const refuse = (name: string, kind: BuildOption['kind'], unsupported: string, harmless?: RegExp): BuildOption => ({
    name,
    kind,
    help: unsupported,
    hidden: true,
    unsupported,
    ...(harmless === undefined ? {} : { harmless }),
  });
  const attestations = 'slipway writes no attestations yet';
  return [
    refuse('attest', 'list', attestations, /(^|,)disabled=true(,|$)/),
    refuse('provenance', 'value', attestations, /^(0|f|false|disabled=true)$/i),
    refuse('sbom', 'value', attestations, /^(0|f|false|disabled=true)$/i),
    refuse('cache-from', 'list', 'slipway has no external caches yet'),
    refuse('cache-to', 'list', 'slipway has no external caches yet'),
    refuse('builder', 'value', 'there are no builders to choose from: slipway builds in its own process'),
    refuse('policy', 'list', 'slipway has no source policies'),
    refuse('squash', 'switch', 'slipway does not squash layers; use a multi-stage Dockerfile', FALSE),
    refuse('security-opt', 'list', 'use RUN --security=insecure with --allow security.insecure'),
    refuse('compress', 'switch', 'the build context is not sent anywhere', /^/),
    refuse('rm', 'switch', 'no containers are left behind that could be kept', TRUE),
    refuse('force-rm', 'switch', 'no containers are left behind that could be kept', /^/),
  ];
}
