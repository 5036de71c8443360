import { createServer, type RequestListener, type Server } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchUrl, readBody } from '../../src/core/fetch-url.ts';
import { fetchOver } from '../../src/registry/http-fetch.ts';
import { HttpTransport } from '../../src/registry/http-transport.ts';
import { close, listen } from '../rig/local-server.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

const { signal } = new AbortController();
let server: Server;
let transport: HttpTransport;
let url: string;
let answer: RequestListener;

beforeEach(async () => {
  transport = new HttpTransport({ env: {} });
  server = createServer((request, response) => answer(request, response));
  url = `http://user:secret@127.0.0.1:${await listen(server)}/f`;
});
afterEach(() => {
  transport[Symbol.dispose]();
  return close(server);
});

async function read(limits: { readonly idleMs?: number; readonly pauseMs?: number } = {}): Promise<number> {
  const response = await fetchUrl(url, { fetch: fetchOver(transport), signal, answerMs: 300 });
  let length = 0;
  for await (const chunk of readBody(response, { url, folder: temporaryFolder('fetch'), signal, ...limits })) {
    length += chunk.length;
    if (limits.pauseMs !== undefined) await setTimeout(limits.pauseMs);
  }
  return length;
}

describe('a server', () => {
  test('that takes a request and never answers is given up', async () => {
    answer = () => {};
    await expect(read()).rejects.toMatchObject({
      code: 'SLIPWAY_FETCH_FAILED',
      message: `cannot fetch ${url.replace('user:secret@', '')}: no answer came within 0.3 s`,
    });
  });

  test('that stops in the middle of a file is given up', async () => {
    answer = (_request, response) => void response.write('the first part');
    await expect(read({ idleMs: 200 })).rejects.toMatchObject({
      code: 'SLIPWAY_FETCH_FAILED',
      message: expect.stringMatching(/nothing came for 0\.2 s$/),
    });
  });

  test('that sends single bytes for ever is given up', async () => {
    answer = (_request, response) => {
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(drip));
    };
    await expect(read({ idleMs: 300 })).rejects.toMatchObject({ code: 'SLIPWAY_FETCH_FAILED' });
  });

  test('that takes longer for its file than it may take for an answer is waited for', async () => {
    answer = (_request, response) => {
      let left = 6;
      const send = setInterval(() => {
        response.write(Buffer.alloc(2000));
        if (--left > 0) return;
        clearInterval(send);
        response.end();
      }, 100);
    };
    expect(await read({ idleMs: 10_000 })).toBe(12_000);
  });

  test('is not blamed for the time that its file takes to be used', async () => {
    answer = (_request, response) => {
      response.write('a');
      setTimeout(50).then(() => response.end('b'));
    };
    expect(await read({ idleMs: 1000, pauseMs: 1500 })).toBe(2);
  });

  test('whose file would fill the disk sends none of it', async () => {
    answer = (_request, response) => void response.writeHead(200, { 'content-length': 2 ** 50 }).write('x');
    await expect(read()).rejects.toMatchObject({
      code: 'SLIPWAY_DISK_FULL',
      message: expect.stringMatching(
        /^cannot fetch http:\/\/127\S+: it would fill a disk \(1\.13PB\): that of \S+ has /,
      ),
    });
  });
});
