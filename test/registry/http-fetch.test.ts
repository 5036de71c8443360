import { createServer, type RequestListener, type Server } from 'node:http';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { fetchOver } from '../../src/registry/http-fetch.ts';
import { HttpTransport } from '../../src/registry/http-transport.ts';
import { close, listen } from '../rig/local-server.ts';

const { signal } = new AbortController();
let server: Server;
let port: number;
let asked: string[];
let answer: RequestListener;

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? '-'}`);
    answer(request, response);
  });
  port = await listen(server);
});
afterEach(() => close(server));

async function get(url: string, env: Readonly<Record<string, string>> = {}) {
  const transport = new HttpTransport({ env });
  onTestFinished(() => transport[Symbol.dispose]());
  return await fetchOver(transport)(url, { headers: { authorization: 'secret' }, signal });
}

test('goes through the proxy that the environment names', async () => {
  answer = (_request, response) => response.end('by the proxy');
  const response = await get('http://files.example/a', { HTTP_PROXY: `http://127.0.0.1:${port}` });
  expect(await response.text()).toBe('by the proxy');
  expect(asked).toEqual(['http://files.example/a secret']);
});

test('keeps a header of credentials on the way to the same origin, and to no other', async () => {
  answer = ({ url }, response) => {
    if (url === '/a') response.writeHead(301, { location: '/b' }).end();
    else if (url === '/b') response.writeHead(307, { location: `http://localhost:${port}/c` }).end();
    else response.end('there');
  };
  expect(await (await get(`http://127.0.0.1:${port}/a`)).text()).toBe('there');
  expect(asked).toEqual(['/a secret', '/b secret', '/c -']);
});

test('passes on status and headers, and an answer without a body', async () => {
  answer = (_request, response) => response.writeHead(304, { etag: '"1"' }).end();
  const response = await get(`http://127.0.0.1:${port}/`);
  expect([response.status, response.headers.get('etag'), response.body]).toEqual([304, '"1"', null]);
});

test('ends the connection of a body that nobody reads', async () => {
  let closed = false;
  const done = Promise.withResolvers<void>();
  answer = (_request, response) => {
    response.on('close', () => {
      closed = true;
      done.resolve();
    });
    response.write('begun');
  };
  const response = await get(`http://127.0.0.1:${port}/`);
  await response.body?.cancel();
  await done.promise;
  expect(closed).toBe(true);
});

test.each(['/again', 'file:///etc/passwd', 'http://['])(
  'refuses to be sent round in circles or to %s',
  async (location) => {
    answer = (_request, response) => response.writeHead(302, { location }).end();
    await expect(get(`http://127.0.0.1:${port}/`)).rejects.toThrow(/^it redirects/);
    expect(asked.length).toBeLessThan(30);
  },
);
