import { describe, expect, it } from 'vitest';
import { buildRequest } from '../../src/cli/build-request.ts';
import { parseArguments } from '../../src/cli/parse-arguments.ts';

type Environment = Readonly<Record<string, string>>;

function understood(args: readonly string[], env: Environment = {}) {
  const parsed = parseArguments([...args, '.']);
  if (parsed.kind !== 'build') throw new Error('expected a build');
  return buildRequest(parsed.arguments, { env, cwd: '/here', defaultRoot: '/default' });
}

const request = (args: readonly string[], env?: Environment) => understood(args, env).request;
const settings = (args: readonly string[], env?: Environment) => understood(args, env).settings;

describe('the request of a command line', () => {
  it('has defaults', () => {
    expect(request([])).toEqual({
      context: '.',
      cwd: '/here',
      tags: [],
      buildArgs: {},
      buildContexts: {},
      labels: {},
      annotations: [],
      platforms: [],
      noCache: false,
      noCacheFilter: [],
      pull: false,
      outputs: [],
      secrets: [],
      ssh: [],
      network: 'default',
      addHosts: [],
      allow: [],
      ulimits: [],
      isolation: 'auto',
      root: '/default',
      env: {},
    });
    expect(settings([])).toEqual({ progress: 'auto', quiet: false, debug: false, shellOnFailure: false });
  });

  it.each<[string[], Environment, object]>([
    [
      ['--build-arg', 'A=1=2', '--build-arg', 'B', '--build-arg', 'C', '--build-arg', 'A=3'],
      { B: 'b' },
      { buildArgs: { A: '3', B: 'b' } },
    ],
    [['--build-arg', 'A='], { A: 'x' }, { buildArgs: { A: '' } }],
    [['--label', 'a=b=c', '--label', 'd'], { d: 'x' }, { labels: { a: 'b=c', d: '' } }],
    [
      ['-t', 'app', '-t', 'app:latest', '-t', 'localhost:5000/x:1'],
      {},
      { tags: ['docker.io/library/app:latest', 'localhost:5000/x:1'] },
    ],
    [
      ['--platform', 'linux/amd64,arm64', '--platform', 'linux/arm64/v8'],
      {},
      { platforms: ['linux/amd64', 'linux/arm64'] },
    ],
    [[], { DOCKER_DEFAULT_PLATFORM: 'linux/arm/v6' }, { platforms: ['linux/arm/v6'] }],
    [
      ['--build-context', 'alpine=docker-image://x', '--build-context', 'b:latest=../b'],
      {},
      { buildContexts: { alpine: 'docker-image://x', b: '../b' } },
    ],
    [
      ['--no-cache', '--pull', '--no-cache-filter', 'a,b'],
      {},
      { noCache: true, pull: true, noCacheFilter: ['a', 'b'] },
    ],
    [['--no-cache', '--no-cache=false'], {}, { noCache: false }],
    [['--network', 'host'], {}, { network: 'host', allow: ['network.host'] }],
    [['--allow', 'security.insecure', '--allow', 'device=a'], {}, { allow: ['security.insecure', 'device=a'] }],
    [['--shm-size', '64m'], {}, { shmSizeBytes: 67_108_864 }],
    [['-m', '1.5g', '--cpu-shares', '2', '--resource', 'memory=1k'], {}, { resources: { memory: 1024, cpuShares: 2 } }],
    [
      ['--resource', 'memory-swap=-1', '--resource', 'cpuset-cpus=0-3,5'],
      {},
      { resources: { memorySwap: -1, cpusetCpus: '0-3,5' } },
    ],
    [
      ['--ulimit', 'nofile=1024:4096', '--ulimit', 'core=-1', '--ulimit', 'nofile=5'],
      {},
      {
        ulimits: [
          { name: 'nofile', soft: 5, hard: 5 },
          { name: 'core', soft: -1, hard: -1 },
        ],
      },
    ],
    [
      ['--add-host', 'a:10.0.0.1,b=[::1]', '--add-host', 'c:host-gateway'],
      {},
      {
        addHosts: [
          { host: 'a', ip: '10.0.0.1' },
          { host: 'b', ip: '::1' },
          { host: 'c', ip: 'host-gateway' },
        ],
      },
    ],
    [['--add-host', 'v6:fe80::1'], {}, { addHosts: [{ host: 'v6', ip: 'fe80::1' }] }],
    [
      ['--ssh', 'default', '--ssh', 'x=/a,/b'],
      {},
      {
        ssh: [
          { id: 'default', paths: [] },
          { id: 'x', paths: ['/a', '/b'] },
        ],
      },
    ],
    [
      ['--secret', 'id=a', '--secret', 'id=B'],
      { B: '1' },
      {
        secrets: [
          { id: 'a', source: { file: 'a' } },
          { id: 'B', source: { env: 'B' } },
        ],
      },
    ],
    [
      [
        '--secret',
        'id=a,src=f',
        '--secret',
        '"id=b","source=x,y"',
        '--secret',
        'id=c,env=E',
        '--secret',
        'type=env,id=d,src=E',
      ],
      {},
      {
        secrets: [
          { id: 'a', source: { file: 'f' } },
          { id: 'b', source: { file: 'x,y' } },
          { id: 'c', source: { env: 'E' } },
          { id: 'd', source: { env: 'E' } },
        ],
      },
    ],
    [[], { SOURCE_DATE_EPOCH: '12' }, { epoch: 12, buildArgs: { SOURCE_DATE_EPOCH: '12' } }],
    [['--build-arg', 'SOURCE_DATE_EPOCH=13'], { SOURCE_DATE_EPOCH: '12' }, { epoch: 13 }],
    [
      ['--root', '/r', '--isolation', 'oci', '--oci-runtime', 'runc'],
      {},
      { root: '/r', isolation: 'oci', ociRuntime: 'runc' },
    ],
    [
      [],
      { SLIPWAY_ROOT: '/r', SLIPWAY_ISOLATION: 'chroot', SLIPWAY_OCI_RUNTIME: 'crun' },
      { root: '/r', isolation: 'chroot', ociRuntime: 'crun' },
    ],
    [
      ['-f', 'x', '--target', 't', '--cgroup-parent', '/g', '--annotation', 'a=b'],
      {},
      { file: 'x', target: 't', cgroupParent: '/g', annotations: ['a=b'] },
    ],
    [
      [
        '--rm',
        '--force-rm',
        '--compress',
        '--provenance=false',
        '--sbom=false',
        '--attest=type=sbom,disabled=true',
        '--call=build',
      ],
      {},
      {},
    ],
  ])('%j with %j', (args, env, expected) => {
    expect(request(args, env)).toMatchObject(expected);
  });

  it.each<[string[], Environment, string, string]>([
    [['--cache-from', 'x'], {}, 'SLIPWAY_OPTION_UNSUPPORTED', '--cache-from'],
    [['--cache-to', 'x'], {}, 'SLIPWAY_OPTION_UNSUPPORTED', '--cache-to'],
    [['--provenance=true'], {}, 'SLIPWAY_OPTION_UNSUPPORTED', '--provenance'],
    [['--attest', 'type=sbom'], {}, 'SLIPWAY_OPTION_UNSUPPORTED', '--attest'],
    [['--call', 'subrequests.describe'], {}, 'SLIPWAY_OPTION_INVALID', '--call'],
    [['--call', 'check,format=xml'], {}, 'SLIPWAY_OPTION_INVALID', 'format=xml'],
    [['--squash'], {}, 'SLIPWAY_OPTION_UNSUPPORTED', '--squash'],
    [['--rm=false'], {}, 'SLIPWAY_OPTION_UNSUPPORTED', '--rm'],
    [['--builder', 'x'], {}, 'SLIPWAY_OPTION_UNSUPPORTED', '--builder'],
    [['--build-arg', '=x'], {}, 'SLIPWAY_OPTION_INVALID', 'the name is empty'],
    [['--label', '=x'], {}, 'SLIPWAY_OPTION_INVALID', 'the name is empty'],
    [['-t', 'UPPER'], {}, 'SLIPWAY_OPTION_INVALID', '--tag'],
    [['--platform', 'a/b/c/d'], {}, 'SLIPWAY_OPTION_INVALID', '--platform'],
    [['--build-context', 'x'], {}, 'SLIPWAY_OPTION_INVALID', '--build-context'],
    [['--network', 'bridge'], {}, 'SLIPWAY_OPTION_INVALID', 'expected one of default, none, host'],
    [['--allow', 'network.hots'], {}, 'SLIPWAY_OPTION_INVALID', 'no entitlement'],
    [['--shm-size', '64x'], {}, 'SLIPWAY_OPTION_INVALID', '--shm-size'],
    [['--resource', 'disk=1'], {}, 'SLIPWAY_OPTION_INVALID', '--resource'],
    [['--resource', 'cpu-shares=-1'], {}, 'SLIPWAY_OPTION_INVALID', 'cpu-shares'],
    [['--ulimit', 'nofile'], {}, 'SLIPWAY_OPTION_INVALID', '--ulimit'],
    [['--ulimit', 'nothing=1'], {}, 'SLIPWAY_OPTION_INVALID', 'is no limit'],
    [['--ulimit', 'nofile=5:4'], {}, 'SLIPWAY_OPTION_INVALID', 'above the hard limit'],
    [['--add-host', 'a'], {}, 'SLIPWAY_OPTION_INVALID', '--add-host'],
    [['--add-host', 'a:b'], {}, 'SLIPWAY_OPTION_INVALID', 'no IP address'],
    [['--secret', 'src=a'], {}, 'SLIPWAY_OPTION_INVALID', 'the id is missing'],
    [['--secret', 'id=a,type=x'], {}, 'SLIPWAY_OPTION_INVALID', 'unknown type'],
    [['--secret', 'id=a,mode=1'], {}, 'SLIPWAY_OPTION_INVALID', 'unknown key'],
    [['--secret', 'id=a,src=b,env=c'], {}, 'SLIPWAY_OPTION_INVALID', 'both'],
    [['--secret', 'id=a"b'], {}, 'SLIPWAY_OPTION_INVALID', 'quote'],
    [['--progress', 'fancy'], {}, 'SLIPWAY_OPTION_INVALID', '--progress'],
    [[], { BUILDKIT_PROGRESS: 'fancy' }, 'SLIPWAY_OPTION_INVALID', 'BUILDKIT_PROGRESS'],
    [['-q', '--progress=plain'], {}, 'SLIPWAY_OPTION_INVALID', 'cannot be used together'],
    [['--pull=maybe'], {}, 'SLIPWAY_OPTION_INVALID', '--pull'],
    [['--isolation', 'hyperv'], {}, 'SLIPWAY_OPTION_INVALID', '--isolation'],
    [[], { SLIPWAY_ISOLATION: 'x' }, 'SLIPWAY_OPTION_INVALID', 'SLIPWAY_ISOLATION'],
    [[], { SOURCE_DATE_EPOCH: 'now' }, 'SLIPWAY_OPTION_INVALID', 'SOURCE_DATE_EPOCH'],
    [['-o', 'out', '--iidfile', 'x'], {}, 'SLIPWAY_OPTION_INVALID', '--iidfile'],
    [['-o', 'type=odi'], {}, 'SLIPWAY_OPTION_INVALID', 'unknown type "odi"'],
    [['-o', 'dest=x,name=y'], {}, 'SLIPWAY_OPTION_INVALID', 'the type is missing'],
    [['-o', 'type=oci,dest'], {}, 'SLIPWAY_OPTION_INVALID', 'expected KEY=VALUE'],
    [['-o', '-', '-o', 'type=oci'], {}, 'SLIPWAY_OPTION_INVALID', 'only one output'],
  ])('%j with %j is refused', (args, env, code, message) => {
    expect(() => understood(args, env)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it.each([
    ...['network.host=x', 'security.insecure=1', 'security', 'insecure', 'Security.Insecure', 'security.insecure '],
    ...['*', 'all', 'toString', 'device=', 'device=a,b', 'device=a,alias=', 'device=a,name=b', 'devices'],
  ])('--allow "%s" is refused, and never taken for an entitlement', (value) => {
    expect(() => understood(['--allow', value])).toThrow(
      expect.objectContaining({
        code: 'SLIPWAY_OPTION_INVALID',
        message: expect.stringContaining('is no entitlement'),
      }),
    );
  });
});

describe('--output', () => {
  it.each<[string[], unknown[]]>([
    [['-o', 'out'], [{ type: 'local', dest: 'out', attributes: {} }]],
    [['-o', '-'], [{ type: 'tar', dest: '-', attributes: {} }]],
    [['-o', 'type=oci,dest=a.tar,Name=x'], [{ type: 'oci', dest: 'a.tar', attributes: { name: 'x' } }]],
    [['-o', 'type=image,"name=a,b",push=true'], [{ type: 'image', attributes: { name: 'a,b', push: 'true' } }]],
    [['-o', 'type=oci,"dest=say ""hi"""'], [{ type: 'oci', dest: 'say "hi"', attributes: {} }]],
    [['--push'], [{ type: 'image', attributes: { push: 'true' } }]],
    [['--push', '-o', 'type=image,name=a'], [{ type: 'image', attributes: { name: 'a', push: 'true' } }]],
    [['--load'], [{ type: 'docker', attributes: {} }]],
    [
      ['--load', '-o', 'type=docker,dest=x'],
      [
        { type: 'docker', dest: 'x', attributes: {} },
        { type: 'docker', attributes: {} },
      ],
    ],
  ])('%j', (args, outputs) => {
    expect(request(args).outputs).toEqual(outputs);
  });
});

describe('the settings of a command line', () => {
  it.each<[string[], Environment, object]>([
    [['-q'], {}, { progress: 'quiet', quiet: true }],
    [['-q', '-o', '-'], {}, { progress: 'quiet', quiet: false }],
    [['--progress=quiet'], {}, { progress: 'quiet', quiet: true }],
    [['--progress=none'], {}, { progress: 'none', quiet: false }],
    [[], { BUILDKIT_PROGRESS: 'plain' }, { progress: 'plain' }],
    [['--progress=tty'], { BUILDKIT_PROGRESS: 'plain' }, { progress: 'tty' }],
    [['-q'], { BUILDKIT_PROGRESS: 'plain' }, { progress: 'quiet' }],
    [['--iidfile', 'i', '--metadata-file', 'm', '-D'], {}, { iidfile: 'i', metadataFile: 'm', debug: true }],
  ])('%j with %j', (args, env, expected) => {
    expect(settings(args, env)).toMatchObject(expected);
  });
});

describe('the store', () => {
  it.each<[readonly string[], Environment, string]>([
    [[], {}, '/default'],
    [[], { SLIPWAY_ROOT: '/s' }, '/s'],
    [['--root', '/r'], { SLIPWAY_ROOT: '/s' }, '/r'],
  ])('with %j and %j is %s', (args, env, root) => {
    expect(request(args, env).root).toBe(root);
  });
});
