import { isIP } from 'node:net';
import { SlipwayError } from '../../src/core/errors.ts';
import { expandWords } from '../expand/expand-word.ts';
import type { ExposeInstruction } from '../instructions/instruction.ts';
import { goList } from './go-format.ts';
import { addHistory } from './history.ts';
import type { StageState, StepScope } from './stage-state.ts';

/** EXPOSE: ports and ranges, each with a protocol. */
export function convertExpose(instruction: ExposeInstruction, state: StageState, scope: StepScope): void {
  const words = [...instruction.ports].sort(byBytes);
  const specs = words.flatMap((port) =>
    expandWords(port, (name) => state.env.get(name), { escape: scope.dockerfile.escape }),
  );
  const ports = specs.flatMap((spec) => {
    const port = parsePortSpec(spec);
    if (port.protocol !== port.protocol.toLowerCase()) scope.linter.report('ExposeProtoCasing', scope.step.range, spec);
    if (port.ip !== '' || port.hostPort !== '') scope.linter.report('ExposeInvalidFormat', scope.step.range, spec);
    return exposedPorts(port);
  });
  for (const port of ports) state.image.exposedPorts.add(port);
  addHistory(state, `EXPOSE ${goList(ports)}`, 'empty');
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The parts of `[ip:][host:]container[/protocol]`. */
export interface PortSpec {
  readonly ip: string;
  readonly hostPort: string;
  readonly port: string;
  readonly protocol: string;
}

const PROTOCOLS = new Set(['tcp', 'udp', 'sctp']);

/** Takes a port specification apart, and refuses one without a port or with an unknown protocol. */
export function parsePortSpec(spec: string): PortSpec {
  const parts = spec.split(':');
  const container = parts.pop() ?? '';
  const hostPort = parts.pop() ?? '';
  const [port = '', ...rest] = container.split('/');
  const protocol = rest.join('/') || 'tcp';
  if (port === '') throw invalid(`invalid port: "${spec}": no port specified`);
  if (!PROTOCOLS.has(protocol.toLowerCase())) throw invalid(`invalid port: "${spec}": invalid proto: ${protocol}`);
  return { ip: parts.join(':'), hostPort, port, protocol };
}

/** `8000/tcp`, one for each port of the range. Throws SLIPWAY_PORT_INVALID. */
export function exposedPorts({ ip, hostPort, port, protocol }: PortSpec): readonly string[] {
  const address = ip.replace(/^\[(.*)\]$/, '$1');
  if (ip !== '' && isIP(address) === 0) throw invalid(`invalid IP address: ${address}`);
  const range = parseRange(port);
  if (range === undefined) throw invalid(`invalid containerPort: ${port}`);
  const [start, end] = range;
  if (hostPort !== '') {
    const host = parseRange(hostPort);
    if (host === undefined) throw invalid(`invalid hostPort: ${hostPort}`);
    if (end !== start && end - start !== host[1] - host[0])
      throw invalid(`invalid ranges specified for container and host Ports: ${port} and ${hostPort}`);
  }
  return Array.from({ length: end - start + 1 }, (_, offset) => `${start + offset}/${protocol.toLowerCase()}`);
}

function parseRange(text: string): readonly [start: number, end: number] | undefined {
  const dash = text.indexOf('-');
  const start = parsePort(dash < 0 ? text : text.slice(0, dash));
  const end = dash < 0 ? start : parsePort(text.slice(dash + 1));
  return start === undefined || end === undefined || end < start ? undefined : [start, end];
}

function parsePort(text: string): number | undefined {
  return /^\+?\d{1,9}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

function invalid(message: string): SlipwayError {
  return new SlipwayError('SLIPWAY_PORT_INVALID', message, {
    hint: 'write PORT, PORT/udp or FIRST-LAST/tcp, with ports from 0 to 65535',
  });
}
