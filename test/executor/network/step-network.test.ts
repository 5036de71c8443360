import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNamespace } from '../../../src/executor/network/connect-namespace.ts';
import { hostAddress } from '../../../src/executor/network/host-address.ts';
import { findNetworkTool } from '../../../src/executor/network/network-tool.ts';
import { findProgram } from '../../../src/executor/oci-runtime.ts';
import { type BusyboxBuilds, busyboxBuilds, missingForBuilds } from '../../rig/busybox-build.ts';

const found = findNetworkTool(process.env);
const missing = [
  ...missingForBuilds(),
  ...('missing' in found ? [found.missing] : []),
  ...(hostAddress() === undefined ? ['an IPv4 address'] : []),
];
if (missing.length > 0) console.warn(`SKIPPED: networks of steps: needs ${missing.join(', ')}`);
const slirp = findProgram('slirp4netns', process.env);
if (slirp === undefined) console.warn('SKIPPED: networks by slirp4netns: it is not installed');

interface Listener {
  readonly port: number;
  readonly process: ChildProcess;
}

/** A service of the machine, in a process of its own because builds block this one. */
async function listen(address: string): Promise<Listener> {
  const script = `require('net').createServer((s) => s.end('hello')).listen(0, '${address}', function () { console.log(this.address().port) })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [data] = (await once(child.stdout, 'data')) as [Buffer];
  return { port: Number(data.toString()), process: child };
}

describe.skipIf(missing.length > 0)('the network of a step', () => {
  let builds: BusyboxBuilds;
  let everywhere: Listener;
  let loopback: Listener;

  beforeAll(async () => {
    builds = busyboxBuilds();
    [everywhere, loopback] = [await listen('0.0.0.0'), await listen('127.0.0.1')];
  });

  afterAll(() => {
    everywhere.process.kill();
    loopback.process.kill();
    builds[Symbol.dispose]();
  });

  /** Prints what an address says, or nothing. */
  const get = (host: string, { port }: Listener) =>
    `busybox echo "got [$(busybox timeout 2 busybox nc ${host} ${port} </dev/null)]"`;
  const answers = (log: string) => [...log.matchAll(/^#\d+ [\d.]+ got \[(.*)\]$/gm)].map(([, text]) => text);
  const gateway = ['--add-host', 'gateway:host-gateway'];

  it('reaches the machine by its address, but none of its loopback services', () => {
    const wanted = [get('gateway', everywhere), get('gateway', loopback), get('127.0.0.1', loopback)];
    const steps = `RUN ${[...wanted, get('10.0.2.2', loopback), get('10.0.2.2', everywhere)].join('; ')}\n`;
    const { status, log } = builds.build(steps, gateway);
    expect(status, log).toBe(0);
    expect(answers(log)).toEqual(['hello', '', '', '', '']);
    expect(log).not.toContain("host's network");
  }, 60_000);

  it('is one’s own: what listens in a step is not there for the machine or for another step', () => {
    const serve = 'busybox nc -l -p 4711 </dev/null & busybox sleep 0.5; busybox netstat -ltn | busybox grep -c 4711';
    const look = 'busybox netstat -ltn | busybox grep -c 4711; busybox true';
    const { log } = builds.build(
      `FROM scratch AS a\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nENV PATH=/bin\nRUN ${serve}\nRUN ${look}\n`,
    );
    expect([...log.matchAll(/^#\d+ [\d.]+ (\d)$/gm)].map(([, count]) => count)).toEqual(['1', '0']);
  }, 60_000);

  it('is the host’s with --network=host', () => {
    const { log } = builds.build(`RUN ${get('127.0.0.1', loopback)}; ${get('gateway', loopback)}\n`, [
      ...gateway,
      '--network=host',
    ]);
    expect(answers(log), log).toEqual(['hello', 'hello']);
  }, 60_000);

  it('is empty with --network=none', () => {
    const { log } = builds.build(
      `RUN --network=none busybox ls /sys/class/net; ${get('gateway', everywhere)}\n`,
      gateway,
    );
    expect(log).toMatch(/^#\d+ [\d.]+ lo$/m);
    expect(log).not.toMatch(/ eth0$/m);
    expect(answers(log)).toEqual(['']);
  }, 60_000);

  it('has the name servers and search domains that are asked for', () => {
    const dns = ['--dns', '192.0.2.53', '--dns-search', 'corp.example'];
    const { log } = builds.build('RUN busybox cat /etc/resolv.conf\n', dns);
    expect(log.match(/nameserver .*/g)).toEqual(['nameserver 192.0.2.53']);
    expect(log.match(/search .*/g)).toEqual(['search corp.example']);
  }, 60_000);

  it('goes with the build', () => {
    builds.build('RUN busybox true\nRUN busybox true\n');
    const processes = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout;
    expect(processes.split('\n').filter((line) => line.includes(builds.folder))).toEqual([]);
  }, 60_000);

  it.skipIf(slirp === undefined)(
    'can be made by slirp4netns, too',
    async () => {
      const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
      holder.stdin.write('.');
      await once(holder.stdout, 'data');
      const namespace = `/proc/${holder.pid}/ns/net`;
      const tool = { name: 'slirp4netns', path: slirp ?? '' } as const;
      {
        using _connection = await connectNamespace(tool, { namespace, pidFile: `${builds.folder}/pid` });
        const ask = (host: string, { port }: Listener) =>
          spawnSync('nsenter', [`--net=${namespace}`, 'busybox', 'timeout', '2', 'busybox', 'nc', host, String(port)], {
            encoding: 'utf8',
          }).stdout;
        expect(ask(hostAddress() ?? '', everywhere)).toBe('hello');
        expect([ask('127.0.0.1', loopback), ask('10.0.2.2', loopback), ask('10.0.2.2', everywhere)]).toEqual([
          '',
          '',
          '',
        ]);
      }
      holder.stdin.end();
    },
    60_000,
  );

  it('tells what the program said when it gives none', async () => {
    const tool = { name: 'slirp4netns', path: '/bin/false' } as const;
    await expect(connectNamespace(tool, { namespace: '/nowhere', pidFile: '/nowhere' })).rejects.toThrow(
      'slirp4netns gave no connection: it did not say why',
    );
  });
});
