import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { errnoOf } from '../../core/errors.ts';

/**
 * The machine's own address as a step in a network of its own reaches it: IPv4 of the interface of the default route, else of any that is
 * not loopback. Services that listen on loopback alone are not behind it. Undefined where the machine has none.
 */
export function hostAddress(): string | undefined {
  const interfaces = networkInterfaces();
  const names = [defaultInterface(), ...Object.keys(interfaces)];
  return names
    .flatMap((name) => (name === undefined ? [] : (interfaces[name] ?? [])))
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

function defaultInterface(): string | undefined {
  const lines = readRoutes()
    .split('\n')
    .map((line) => line.split('\t'));
  return lines.find(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')?.[0];
}

function readRoutes(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
