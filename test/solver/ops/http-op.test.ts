import { createHash } from 'node:crypto';
import { lstatSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openContentStore } from '../../../cache/content/file-content-store.ts';
import { openDownloadStore } from '../../../cache/downloads/download-store.ts';
import type { LayerId, TreeEntry } from '../../../cache/layers/layer-store.ts';
import { openStore, type Store } from '../../../cache/store.ts';
import { createHttpOp } from '../../../solver/ops/http-op.ts';
import type { OpServices } from '../../../solver/ops/services.ts';
import type { OpContext } from '../../../solver/solver.ts';
import type { HttpOp } from '../../../solver/vertex.ts';
import { displayPath } from '../../../src/core/byte-path.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { type ProgressEvent, silentProgress } from '../../../src/core/progress.ts';
import { fetchOver } from '../../../src/registry/http-fetch.ts';
import { HttpTransport } from '../../../src/registry/http-transport.ts';
import { temporaryFolder } from '../../rig/temporary-folder.ts';

const CONTEXT: OpContext = { signal: new AbortController().signal, progress: silentProgress, stepId: '1' };

let store: Store;
let server: Server;
let origin: string;
let transport: HttpTransport;
let requests: IncomingMessage[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  store = openStore(temporaryFolder('http'));
  requests = [];
  transport = new HttpTransport({ env: {} });
  answer = (_request, response) => response.end('bytes');
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  origin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  transport[Symbol.dispose]();
  server.close();
  server.closeAllConnections();
  store[Symbol.dispose]();
});

/** A new build's op, with the file that it adds: path, mode, time, bytes. */
function httpOp(changes: Partial<HttpOp> = {}, context = CONTEXT) {
  const added: TreeEntry[] = [];
  const services = {
    content: openContentStore(store),
    downloads: openDownloadStore(store.database),
    temporaryPath: () => store.temporaryPath(),
    fetch: fetchOver(transport),
    layers: {
      addTree: (entries: Iterable<TreeEntry>) => {
        added.push(...entries);
        return 'layer' as LayerId;
      },
    },
  } as unknown as OpServices;
  const definition = { url: `http://${origin}/d/f.txt`, filename: 'f.txt', mode: 0o600, uid: 0, gid: 0, ...changes };
  const op = createHttpOp({ kind: 'http', ...definition }, services);
  const keyOf = async () => (await op.cacheMap(context)).digest;
  const run = async () => {
    await op.exec([], context);
    return added.map(({ path, change }) => {
      if (change.kind !== 'present' || change.content?.kind !== 'host') throw new Error('no file');
      const { mode, uid, size, mtime } = change.file;
      const text = readFileSync(displayPath(change.content.path), 'utf8');
      return { path, mode, uid, size, mtime, text };
    });
  };
  return { keyOf, run, added };
}

const withTag = (tag: string, text: string) => (request: IncomingMessage, response: ServerResponse) => {
  response.setHeader('etag', `"${tag}"`);
  response.setHeader('last-modified', 'Thu, 01 Jan 2015 00:00:00 GMT');
  response.statusCode = request.headers['if-none-match'] === `"${tag}"` ? 304 : 200;
  response.end(response.statusCode === 304 ? undefined : text);
};

describe('ADD of a URL', () => {
  test('gives one file with the time of the server, fetched once', async () => {
    answer = withTag('1', 'bytes');
    const op = httpOp();
    expect(await op.keyOf()).toBeDefined();
    expect(await op.run()).toEqual([
      { path: '/f.txt', mode: 0o600, uid: 0, size: 5, mtime: 1_420_070_400, text: 'bytes' },
    ]);
    expect(requests).toHaveLength(1);
    expect(requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  test('gives the time 0 where the server names none', async () => {
    expect((await httpOp().run())[0]?.mtime).toBe(0);
  });

  test('is not sent again while the server’s tag is the same, and has the same key', async () => {
    answer = withTag('1', 'bytes');
    const first = await httpOp().keyOf();
    const again = httpOp();
    expect(await again.keyOf()).toBe(first);
    expect((await again.run())[0]).toMatchObject({ text: 'bytes', mtime: 1_420_070_400 });
    expect(requests[1]?.headers['if-none-match']).toBe('"1"');
    answer = withTag('2', 'other');
    expect(await httpOp().keyOf()).not.toBe(first);
  });

  test('has another key for another name, mode or owner, and not for another URL of the same file', async () => {
    const keys = [{}, { filename: 'g' }, { mode: 0o644 }, { uid: 1 }, { gid: 1 }].map((changes) =>
      httpOp(changes).keyOf(),
    );
    expect(new Set(await Promise.all(keys)).size).toBe(5);
    expect(await httpOp({ url: `http://${origin}/other` }).keyOf()).toBe(await keys[0]);
  });

  test('needs no network for its key where a checksum pins it', async () => {
    const key = await httpOp({ checksum: digestOf('bytes') }).keyOf();
    expect(key).toBeDefined();
    expect(requests).toEqual([]);
    expect((await httpOp({ checksum: digestOf('bytes') }).run())[0]?.text).toBe('bytes');
  });

  test('is checked against its checksum, of any algorithm, also when it is known already', async () => {
    answer = withTag('1', 'bytes');
    const sha512 = `sha512:${createHash('sha512').update('bytes').digest('hex')}`;
    expect((await httpOp({ checksum: sha512 }).run())[0]?.text).toBe('bytes');
    for (const checksum of [digestOf('other'), `sha512:${'0'.repeat(128)}`]) {
      await expect(httpOp({ checksum }).run()).rejects.toMatchObject({ code: 'SLIPWAY_CHECKSUM_MISMATCH' });
    }
  });

  test('sends a password as a header and never shows it', async () => {
    const url = `http://me:p%40ss@${origin}/f.txt`;
    await httpOp({ url }).run();
    expect(requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    answer = (_request, response) => response.writeHead(403).end();
    const error = await httpOp({ url })
      .run()
      .catch((caught: unknown) => caught);
    expect(String(error)).toContain(`cannot fetch http://${origin}/f.txt: status 403`);
  });

  test('says why there is no answer, and keeps nothing of a broken one', async () => {
    await expect(httpOp({ url: 'http://127.0.0.1:1/f' }).run()).rejects.toMatchObject({ code: 'SLIPWAY_FETCH_FAILED' });
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100', etag: '"1"' }).write('part');
      setTimeout(() => response.destroy(), 20);
    };
    await expect(httpOp().run()).rejects.toMatchObject({ code: 'SLIPWAY_FETCH_FAILED' });
    answer = withTag('1', 'whole');
    expect((await httpOp().run())[0]?.text).toBe('whole');
  });

  test('stays what it is when another build fetches the same bytes meanwhile', async () => {
    const { run, added } = httpOp();
    await run();
    await httpOp().run();
    const content = added[0]?.change.kind === 'present' ? added[0].change.content : undefined;
    if (content?.kind !== 'host') throw new Error('no file');
    expect(lstatSync(displayPath(content.path)).mtimeMs).toBe(content.mtimeMs);
  });

  test('tells how much of how much has come', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-length': '5' }).end('bytes');
    const events: ProgressEvent[] = [];
    const context = { ...CONTEXT, progress: { emit: (event: ProgressEvent) => void events.push(event) } };
    await httpOp({}, context).run();
    expect(events.at(-1)).toMatchObject({ type: 'step-progress', id: '1', current: 5, total: 5, unit: 'bytes' });
  });

  test('gives up on a server that redirects for ever, or elsewhere than to http', async () => {
    answer = (_request, response) => response.writeHead(302, { location: '/again' }).end();
    await expect(httpOp().run()).rejects.toMatchObject({ code: 'SLIPWAY_FETCH_FAILED' });
    expect(requests.length).toBeLessThan(30);
    answer = (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    await expect(httpOp().run()).rejects.toMatchObject({ code: 'SLIPWAY_FETCH_FAILED' });
  });

  test('does not send a password to where it is redirected', async () => {
    const other = createServer((request, response) => {
      requests.push(request);
      response.end('there');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/f`;
    answer = (_request, response) => response.writeHead(302, { location }).end();
    expect((await httpOp({ url: `http://me:pw@${origin}/f` }).run())[0]?.text).toBe('there');
    expect(requests.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, false]);
    other.close();
    other.closeAllConnections();
  });

  test('takes no name from the server', async () => {
    answer = (_request, response) =>
      response.writeHead(200, { 'content-disposition': 'attachment; filename="../../../x"' }).end('bytes');
    expect((await httpOp().run())[0]?.path).toBe('/f.txt');
  });

  test.each(['../../etc/cron.d/x', 'a/b', '..', '', 'a\0b'])('refuses %j as the name of a file', (filename) => {
    expect(() => httpOp({ filename })).toThrow('is no file name');
  });
});
