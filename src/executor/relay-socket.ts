import { closeSync, constants, openSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';

/**
 * A unix socket at `path` that passes what it gets on to the socket at `target`, so that a container can be given its own
 * owner and mode without touching the user's. Listening when this returns; disposing closes it with its connections.
 */
export function relaySocket(target: string, path: string): Disposable {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      // Whichever side fails, both are closed; the container's program sees a closed connection.
      from.on('error', () => from.destroy());
      from.pipe(to);
    }
  });
  // A socket's path has at most 107 bytes, which a store's folder alone can need.
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    server.listen(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
  return {
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
