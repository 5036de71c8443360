import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { runGit } from '../../../cache/git/run-git.ts';
import type { TransferLimits } from '../../../cache/git/transfer-limits.ts';
import { temporaryFolder } from '../../rig/temporary-folder.ts';

const LIMITS: TransferLimits = { idleMs: 600_000, memory: 2 ** 40 };

/** What `git ls-remote` of a server that deals with connections like this ends with. */
async function listRemote(serve: (socket: Socket) => void, limits: TransferLimits): Promise<unknown> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const url = `git://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/app`;
  const { signal } = new AbortController();
  const env = { PATH: process.env.PATH ?? '', HOME: '/dev/null', LC_ALL: 'C' };
  return await runGit({ args: ['ls-remote', url], env, cwd: temporaryFolder('transfer'), signal, limits });
}

test('a server that never answers is given up', async () => {
  await expect(listRemote(() => {}, { ...LIMITS, idleMs: 400 })).rejects.toMatchObject({
    code: 'SLIPWAY_GIT_STOPPED',
    message: 'git ls-remote was stopped: nothing came for 0.4 s',
  });
});

test('a server that sends refs for ever is given up when git has taken the memory that it may have', async () => {
  let number = 0;
  const send = (socket: Socket): void => {
    const lines = Array.from({ length: 5000 }, () => {
      const line = `${'1'.repeat(40)} refs/heads/${String(number++).padStart(200, 'x')}\n`;
      return (line.length + 4).toString(16).padStart(4, '0') + line;
    });
    if (!socket.destroyed) socket.write(lines.join(''), () => send(socket));
  };
  await expect(listRemote(send, { ...LIMITS, memory: 50_000_000 })).rejects.toMatchObject({
    code: 'SLIPWAY_GIT_STOPPED',
    message: 'git ls-remote was stopped: it took more than 50.00MB of memory',
  });
});

test('a server that says now and then that it is still there is waited for', async () => {
  const result = await listRemote(
    (socket) => {
      let left = 10;
      const timer = setInterval(() => {
        if (left-- > 0) socket.write('0045'.concat('1'.repeat(40), ' refs/heads/', 'a'.repeat(12), '\n'));
        else {
          clearInterval(timer);
          socket.end('0000');
        }
      }, 100);
    },
    { ...LIMITS, idleMs: 800 },
  );
  expect(result).toMatchObject({ isSuccess: true });
});
