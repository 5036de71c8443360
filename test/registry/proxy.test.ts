import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { HttpTransport } from '../../src/registry/http-transport.ts';
import { proxyFor } from '../../src/registry/proxy.ts';
import { close, listen } from '../rig/local-server.ts';

const PROXY = 'http://proxy.example.com:3128';

/** [URL, NO_PROXY, whether the proxy is used] */
const CASES: readonly (readonly [string, string, boolean])[] = [
  ['https://ghcr.io/v2/', '', true],
  ['https://ghcr.io/v2/', '*', false],
  ['https://ghcr.io/v2/', 'ghcr.io', false],
  ['https://ghcr.io/v2/', 'GHCR.IO', false],
  ['https://a.ghcr.io/v2/', 'ghcr.io', false],
  ['https://aghcr.io/v2/', 'ghcr.io', true],
  ['https://ghcr.io/v2/', '.ghcr.io', true],
  ['https://a.ghcr.io/v2/', '.ghcr.io', false],
  ['https://a.ghcr.io/v2/', '*.ghcr.io', false],
  ['https://ghcr.io/v2/', 'x.io, ghcr.io ,y.io', false],
  ['https://ghcr.io/v2/', 'ghcr.io:443', false],
  ['https://ghcr.io/v2/', 'ghcr.io:5000', true],
  ['https://ghcr.io:5000/v2/', 'ghcr.io:5000', false],
  ['https://10.1.2.3/v2/', '10.1.2.3', false],
  ['https://10.1.2.3/v2/', '10.0.0.0/8', false],
  ['https://11.1.2.3/v2/', '10.0.0.0/8', true],
  ['https://[2001:db8::5]/v2/', '2001:db8::/32', false],
  ['https://ghcr.io/v2/', '10.0.0.0/99,nonsense/x', true],
  ['http://localhost:5000/v2/', '', false],
  ['http://127.0.0.1:5000/v2/', '', false],
];

test.each(CASES)('%s with NO_PROXY=%s: proxy %s', (url, noProxy, isUsed) => {
  const env = { HTTP_PROXY: PROXY, https_proxy: PROXY, NO_PROXY: noProxy };
  expect(proxyFor(new URL(url), env)?.href).toBe(isUsed ? `${PROXY}/` : undefined);
});

test('a proxy without a scheme is an http proxy', () => {
  expect(proxyFor(new URL('https://x.io'), { HTTPS_PROXY: 'p:1' })?.href).toBe('http://p:1/');
});

test('a proxy that cannot be used is an error that does not show its password', () => {
  const env = { HTTPS_PROXY: 'socks5://me:secret@p:1' };
  expect(() => proxyFor(new URL('https://x.io'), env)).toThrowError(
    expect.objectContaining({ code: 'SLIPWAY_PROXY_INVALID', message: expect.not.stringContaining('secret') }),
  );
});

test('http requests go through the proxy, with its credentials', async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers['proxy-authorization']}`);
    response.end('from proxy');
  });
  const port = await listen(server);
  using transport = new HttpTransport({ env: { HTTP_PROXY: `http://u:p@127.0.0.1:${port}` } });
  try {
    const request = { method: 'GET', url: new URL('http://reg.example.com/v2/'), headers: {} } as const;
    const response = await transport.send(request, new AbortController().signal);
    expect(await response.body.toArray().then((chunks) => Buffer.concat(chunks).toString())).toBe('from proxy');
    expect(seen).toEqual([`http://reg.example.com/v2/ Basic ${Buffer.from('u:p').toString('base64')}`]);
  } finally {
    await close(server);
  }
});

test('https requests ask the proxy for a tunnel to the registry', async () => {
  const tunnels: (string | undefined)[] = [];
  const server = createServer();
  server.on('connect', (request, socket) => {
    tunnels.push(request.url);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  const port = await listen(server);
  using transport = new HttpTransport({ env: { HTTPS_PROXY: `http://127.0.0.1:${port}` } });
  try {
    const request = { method: 'GET', url: new URL('https://reg.example.com/v2/'), headers: {} } as const;
    await expect(transport.send(request, new AbortController().signal)).rejects.toThrow();
    expect(tunnels).toEqual(['reg.example.com:443']);
  } finally {
    await close(server);
  }
});
