import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { availableRungs, type Runner, startRunner } from '../executor/rig/rungs.ts';

/** Listens on every address, for streams and datagrams, and on abstract sockets; prints its port, then every contact as a line. */
const LISTENER = `
const net = require('net'), dgram = require('dgram');
const seen = (what) => process.stdout.write(what + '\\n');
const tcp = net.createServer((socket) => { seen('tcp'); socket.end('hello'); }).listen(0, '0.0.0.0', () => {
  const { port } = tcp.address();
  const udp = dgram.createSocket('udp4').on('message', () => seen('udp')).bind(port, '0.0.0.0', () => {
    net.createServer((socket) => { seen('abstract'); socket.end('hello'); }).listen('\\0slipway-' + port, () => seen('port ' + port));
  });
});`;

const rungs = availableRungs();

describe.skipIf(rungs.length === 0)('a host that listens', () => {
  let listener: ReturnType<typeof spawn>;
  let heard = '';
  let port = '';
  beforeAll(async () => {
    listener = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
    listener.stdout?.on('data', (data: Buffer) => {
      heard += data.toString();
    });
    while (!/port \d+\n/.test(heard)) await once(listener.stdout ?? listener, 'data');
    port = /port (\d+)/.exec(heard)?.[1] ?? '';
    heard = '';
  });
  afterAll(() => listener.kill());

  for (const rung of rungs) {
    describe(rung.name, () => {
      let runner: Runner;
      beforeAll(() => {
        runner = startRunner(rung);
      });
      afterAll(() => runner[Symbol.asyncDispose]());

      test('4015a3c: hears nothing of a step without network, by no protocol and no abstract socket', async () => {
        heard = '';
        const { stdout, error } = await runner.run({
          args: [
            '/bin/sh',
            '-c',
            `for host in 127.0.0.1 0.0.0.0 10.0.2.2 169.254.1.1 $(cat /etc/resolv.conf | sed -n 's/^nameserver //p'); do
               timeout 1 nc $host ${port} </dev/null; echo x | timeout 1 nc -u -w 1 $host ${port}
             done 2>/dev/null
             timeout 1 nslookup slipway.invalid >/dev/null 2>&1 && echo resolved
             grep -c slipway-${port} /proc/net/unix
             timeout 1 nc local:@slipway-${port} </dev/null 2>/dev/null
             ip -o route | wc -l; ip -o link | grep -vc ' lo:'; true`,
          ],
          network: 'none',
        });
        expect(error).toBeUndefined();
        expect(stdout).toBe('0\n0\n0\n');
        expect(heard).toBe('');
      });
    });
  }
});
