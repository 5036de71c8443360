import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostAddress } from '../../src/executor/network/host-address.ts';
import { isUsablePasta } from '../../src/executor/network/network-tool.ts';
import { findProgram } from '../../src/executor/oci-runtime.ts';
import { describeForEachUser } from '../rig/each-user.ts';
import { greeter, type MachineService, nameServer } from '../rig/machine-services.ts';
import { type OwnMounts, ownMounts } from '../rig/own-mounts.ts';
import { program, type Requirement, root } from '../rig/requirements.ts';
import { baseImages, openRig, type SlipwayRig } from '../rig/slipway.ts';

const address: Requirement = () => (hostAddress() === undefined ? 'the machine has no IPv4 address' : undefined);
const NAME = 'service.corp.test';
const RUNTIMES = ['crun', 'runc', 'native'] as const;

/** The programs that can make networks here, each with those to hide from slipway so that it takes that one. */
const [pasta, slirp] = [findProgram('pasta', process.env), findProgram('slirp4netns', process.env)];
const TOOLS = [
  ...(pasta !== undefined && isUsablePasta(pasta) ? [{ tool: 'pasta', hidden: [] }] : []),
  ...(slirp === undefined ? [] : [{ tool: 'slirp4netns', hidden: pasta === undefined ? [] : [pasta] }]),
];

describeForEachUser(
  'the network of steps',
  (who) => {
    let rig: SlipwayRig;
    let services: { everywhere: MachineService; loopback: MachineService; names: MachineService };
    beforeAll(async () => {
      rig = openRig(who);
      services = {
        everywhere: await greeter('0.0.0.0'),
        loopback: await greeter('127.0.0.1'),
        names: await nameServer('0.0.0.0', NAME),
      };
    });
    afterAll(() => {
      rig[Symbol.dispose]();
      for (const service of Object.values(services)) service[Symbol.dispose]();
    });

    const isolation = (runtime: (typeof RUNTIMES)[number]) =>
      runtime === 'native' ? ['--isolation=native'] : ['--isolation=oci', `--oci-runtime=${runtime}`];
    const steps = (...lines: string[]) => rig.context({ Dockerfile: `FROM busybox\n${lines.join('\n')}\n` });
    /** Prints what an address says, or nothing. */
    const ask = (host: string, port: number) =>
      `echo "$(timeout 5 nc ${host} ${port} </dev/null) from ${host}:${port}"`;
    const answers = (stderr: string) =>
      [...stderr.matchAll(/^#\d+ [\d.]+ (.*) from (.*)$/gm)].map(([, said, who]) => `${who} ${said}`);

    for (const { tool, hidden } of TOOLS) {
      describe(`by ${tool}`, () => {
        let own: OwnMounts;
        let loopbackNames: OwnMounts;
        beforeAll(() => {
          own = ownMounts({ hidden });
          loopbackNames = ownMounts({ hidden, resolvConf: 'nameserver 127.0.0.1\n' });
        });
        afterAll(() => {
          own[Symbol.dispose]();
          loopbackNames[Symbol.dispose]();
        });

        it.each(RUNTIMES)(
          'reaches the machine and what lies behind it, but nothing of its loopback device (%s)',
          async (runtime) => {
            const { everywhere, loopback } = services;
            const asked = [
              ask('gateway', everywhere.port),
              ...['gateway', '127.0.0.1', '10.0.2.2', 'localhost'].map((host) => ask(host, loopback.port)),
            ];
            const context = steps(`RUN ${asked.join('; ')}`, `RUN readlink /proc/self/ns/net; ls /sys/class/net`);
            const { stderr } = await rig.build(
              ['--no-cache', ...isolation(runtime), '--add-host=gateway:host-gateway', context],
              own,
            );
            expect(answers(stderr)).toEqual([
              `gateway:${everywhere.port} hello`,
              ...['gateway', '127.0.0.1', '10.0.2.2', 'localhost'].map((host) => `${host}:${loopback.port} `),
            ]);
            expect(stderr).not.toContain("host's network");
          },
        );

        it.each(RUNTIMES)('finds names by the servers and search domains that are asked for (%s)', async (runtime) => {
          const dns = [`--dns=${hostAddress()}`, '--dns-search=corp.test'];
          const context = steps('RUN nslookup service; cat /etc/resolv.conf');
          const { stderr } = await rig.build(['--no-cache', ...isolation(runtime), ...dns, context], own);
          expect(stderr).toMatch(/Name:\s+service\.corp\.test[\s\S]*192\.0\.2\.7/);
        });

        it.each(RUNTIMES)("finds names where the machine's server listens on loopback alone (%s)", async (runtime) => {
          const context = steps(`RUN cat /etc/resolv.conf; nslookup ${NAME}`);
          const { stderr } = await rig.build(['--no-cache', ...isolation(runtime), context], loopbackNames);
          expect(stderr).toContain('nameserver 10.0.2.3');
          expect(stderr).toMatch(/192\.0\.2\.7/);
        });

        it.each(RUNTIMES)(
          'that is lost says so where a step fails for it, and the next step has another (%s)',
          async (runtime) => {
            const { everywhere } = services;
            const wait = `echo ready; while timeout 5 nc gateway ${everywhere.port} </dev/null; do sleep 0.1; done`;
            const options = [
              'build',
              '--no-cache',
              '--progress=plain',
              ...isolation(runtime),
              '--add-host=gateway:host-gateway',
            ];
            for (const [after, next] of [
              ['exit 7', 'true'],
              ['true', ask('gateway', everywhere.port)],
            ]) {
              const context = steps(`RUN ${wait}; ${after}`, `RUN ${next}`);
              const build = rig.start([...options, ...baseImages(), context], own);
              await build.said(/^#\d+ [\d.]+ ready$/m);
              for (const pid of childrenOf(build.process.pid, tool)) process.kill(pid, 'SIGKILL');
              const { status, stderr } = await build.finished;
              if (after === 'true') {
                expect(status, stderr).toBe(0);
                expect(answers(stderr)).toEqual([`gateway:${everywhere.port} hello`]);
              } else {
                expect(stderr).toContain('[SLIPWAY_NETWORK_LOST]');
                expect(stderr).toContain(`exited with code 7, and its network was gone: ${tool} was ended by SIGKILL`);
              }
            }
          },
        );
      });
    }
  },
  [root, address, program('slirp4netns')],
);

/** The processes of that name that the process started. */
function childrenOf(parent: number | undefined, name: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        return new RegExp(`^\\d+ \\(${name}.*\\) . ${parent} `).test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
      } catch {
        // It has ended since.
        return false;
      }
    });
}
