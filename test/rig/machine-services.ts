import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A service of the machine, in a process of its own. */
export interface MachineService extends Disposable {
  readonly port: number;
}

/** Says `hello` to whoever connects to the address. */
export function greeter(address: string): Promise<MachineService> {
  return serve(
    `require('net').createServer((socket) => socket.on('error', () => {}).end('hello')).listen(0, '${address}', function () { console.log(this.address().port); })`,
  );
}

/** A name server on port 53 of the address, by UDP, that knows one name, and says 192.0.2.7 of it. */
export function nameServer(address: string, name: string): Promise<MachineService> {
  return serve(`
const socket = require('dgram').createSocket('udp4');
socket.on('message', (query, from) => {
  const labels = [];
  let at = 12;
  for (; query[at] !== 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
  const question = query.subarray(12, at + 5);
  const isKnown = labels.join('.').toLowerCase() === '${name}';
  const hasAddress = isKnown && query.readUInt16BE(at + 1) === 1;
  const answer = Buffer.from('c00c00010001000000010004c0000207', 'hex');
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(isKnown ? 0x8580 : 0x8583, 2);
  head.writeUInt16BE(hasAddress ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  socket.send(Buffer.concat(hasAddress ? [head, question, answer] : [head, question]), from.port, from.address);
});
socket.bind(53, '${address}', () => console.log(53));`);
}

async function serve(script: string): Promise<MachineService> {
  const child: ChildProcess = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = child.stdout;
  if (output === null) throw new Error('internal: standard output is no pipe');
  const [data] = (await Promise.race([once(output, 'data'), once(child, 'exit')])) as [unknown];
  if (!Buffer.isBuffer(data)) throw new Error(`the service ended with status ${String(data)}`);
  return { port: Number(data.toString()), [Symbol.dispose]: () => void child.kill() };
}
