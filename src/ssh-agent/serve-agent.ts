import { once } from 'node:events';
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { answer, FAILURE, framed, isAllowed, messageCutter } from './agent-protocol.ts';
import type { SshKey } from './private-key.ts';

/** Who signs: keys that this process holds, or the user's own agent. */
export type Signer = { readonly keys: readonly SshKey[] } | { readonly socket: string };

/** An agent that listens; disposing closes it with its connections. */
export interface ServedAgent extends AsyncDisposable {
  /** Opens for this process alone, and only until it is disposed. */
  readonly socket: string;
}

/**
 * Serves an agent on a socket in the new folder `folder`. It lists keys and signs; whatever else a step asks for is answered with a failure,
 * and never reaches the user's agent.
 */
export async function serveAgent(signer: Signer, folder: string): Promise<ServedAgent> {
  mkdirSync(folder, { mode: 0o700 });
  // A socket's path has at most 107 bytes, which a store's folder alone can need.
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const socket = `/proc/self/fd/${fd}/agent`;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    for (const connection of 'keys' in signer ? [client] : [client, relay(client, signer.socket)]) {
      open.add(connection);
      connection.on('close', () => open.delete(connection));
      // The program in the container sees a closed connection; there is nobody else to tell.
      connection.on('error', () => client.destroy());
    }
    if ('keys' in signer) serveKeys(client, signer.keys);
  });
  server.listen(socket);
  await once(server, 'listening');
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const connection of open) connection.destroy();
      await closed;
      closeSync(fd);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function serveKeys(client: Socket, keys: readonly SshKey[]): void {
  onMessages(client, (message) => client.write(framed(answer(message, keys))));
}

/** Requests are passed on one at a time, so that refusals stand between the agent's answers in the right order. */
function relay(client: Socket, path: string): Socket {
  const agent = connect(path);
  const waiting: Buffer[] = [];
  let isBusy = false;
  const next = () => {
    isBusy = false;
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) {
      if (!isAllowed(message)) {
        client.write(framed(FAILURE));
        continue;
      }
      isBusy = true;
      // What is not read from it now waits in its program, not in this one.
      client.pause();
      agent.write(framed(message));
      return;
    }
    client.resume();
  };
  onMessages(client, (message) => {
    waiting.push(message);
    if (!isBusy) next();
  });
  onMessages(agent, (message) => {
    client.write(framed(message));
    next();
  });
  client.on('close', () => agent.destroy());
  agent.on('close', () => client.end());
  return agent;
}

/** Bytes of answers that nobody reads. */
const UNREAD_LIMIT = 1024 * 1024;

function onMessages(socket: Socket, take: (message: Buffer) => void): void {
  const cut = messageCutter();
  socket.on('data', (data) => {
    if (socket.writableLength > UNREAD_LIMIT) {
      socket.destroy();
      return;
    }
    try {
      for (const message of cut(data)) take(message);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      socket.destroy();
    }
  });
}
