import { createHash } from 'node:crypto';
import { linkSync, lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BytePath, toBytePath } from '../../src/core/byte-path.ts';
import { type Digest, digestOfJson } from '../../src/core/digest.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { fetchUrl, readBody, withoutCredentials } from '../../src/core/fetch-url.ts';
import type { Op, OpContext } from '../solver.ts';
import type { HttpOp } from '../vertex.ts';
import type { OpServices } from './services.ts';

/** A fetched file: its blob in the content store, and its time in seconds since 1970. */
interface Fetched {
  readonly digest: Digest;
  readonly mtime: number;
}

/**
 * ADD of a URL: one file, in a layer of tree form. Keyed by the checksum where the user pinned one, which needs no network, else by
 * what the server gives, which is asked each time and sends nothing where its ETag is the known one. The file's time is the
 * server's Last-Modified, or 1970. `SLIPWAY_CHECKSUM_MISMATCH` for bytes that are not those that were pinned.
 */
export function createHttpOp(op: HttpOp, services: OpServices): Op {
  const name = fileName(op);
  let fetched: Promise<Fetched> | undefined;
  const resolve = (context: OpContext) => {
    fetched ??= fetchFile(op, services, context);
    return fetched;
  };
  return {
    cacheMap: async (context) => {
      const { filename, mode, uid, gid, checksum } = op;
      const content = checksum ?? (await resolve(context));
      return {
        digest: digestOfJson({ kind: 'http', filename, mode, uid, gid, content }),
        inputs: [],
        parts: [
          { name: 'url', value: withoutCredentials(op.url) },
          { name: 'content', value: typeof content === 'string' ? content : content.digest },
        ],
      };
    },
    exec: async (_inputs, context) => {
      const { digest, mtime } = await resolve(context);
      const path = services.content.path(digest);
      if (path === undefined) throw new Error(`internal: the blob ${digest} of ${withoutCredentials(op.url)} is gone`);
      // A file that stays as it is when another build puts the same blob in the store.
      const own = services.temporaryPath();
      linkSync(path, own);
      const { size, mtimeMs } = lstatSync(own);
      const { mode, uid, gid } = op;
      const file = { type: 'file', mode, uid, gid, size, mtime } as const;
      const content = { kind: 'host', path: toBytePath(own), mtimeMs } as const;
      return [services.layers.addTree([{ path: `/${name}` as BytePath, change: { kind: 'present', file, content } }])];
    },
  };
}

async function fetchFile(op: HttpOp, services: OpServices, context: OpContext): Promise<Fetched> {
  const { signal } = context;
  const { content, downloads, fetch } = services;
  const known = downloads.lookup(op.url);
  // What was fetched once is known by its sha256 alone, so that another pinned algorithm needs the bytes again.
  const isComparable = op.checksum === undefined || op.checksum.startsWith('sha256:');
  const usable = known !== undefined && isComparable && content.size(known.digest) !== undefined ? known : undefined;
  // The bytes as they lie on the server: what is packed stays packed.
  const plain = { 'accept-encoding': 'identity' };
  const headers = usable === undefined ? plain : { ...plain, 'if-none-match': usable.etag };
  const response = await fetchUrl(op.url, { fetch, headers, signal });

  const etag = response.headers.get('etag');
  if (usable !== undefined && (response.status === 304 || etag === usable.etag)) {
    await response.body?.cancel();
    checkPinned(op, usable.digest);
    return { digest: usable.digest, mtime: usable.mtime };
  }
  const { digest, pinned } = await store(op, response, services, context);
  checkPinned(op, pinned);
  const mtime = lastModified(response);
  if (etag !== null) downloads.save(op.url, { etag, digest, mtime });
  return { digest, mtime };
}

/** Streams the body into the content store; `pinned` is its digest by the algorithm of the checksum. */
async function store(op: HttpOp, response: Response, { content, temporaryPath }: OpServices, context: OpContext) {
  const algorithm = op.checksum?.split(':')[0] ?? 'sha256';
  const other = algorithm === 'sha256' ? undefined : createHash(algorithm);
  const { url } = op;
  const { signal } = context;
  const folder = dirname(temporaryPath());
  const progress = transferProgress(response, context);
  async function* bytes() {
    for await (const chunk of readBody(response, { url, folder, signal })) {
      other?.update(chunk);
      progress(chunk.length);
      yield chunk;
    }
  }
  const { digest } = await content.ingest(bytes(), undefined, signal);
  return { digest, pinned: other === undefined ? digest : `${algorithm}:${other.digest('hex')}` };
}

/** How often progress is told of a transfer, in milliseconds. */
const PROGRESS_INTERVAL = 100;

/** Takes the size of each chunk, and tells progress of their sum: now and then, and at the end. */
function transferProgress(response: Response, { progress, stepId }: OpContext): (length: number) => void {
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const total = Number.isSafeInteger(length) ? { total: length } : {};
  let current = 0;
  let last = 0;
  return (size) => {
    current += size;
    const at = Date.now();
    if (at - last < PROGRESS_INTERVAL && current !== length) return;
    last = at;
    progress.emit({ type: 'step-progress', at, id: stepId, task: 'downloading', current, ...total, unit: 'bytes' });
  };
}

function checkPinned({ url, checksum }: HttpOp, found: string): void {
  if (checksum === undefined || checksum === found) return;
  const message = `digest mismatch for ${withoutCredentials(url)}: got ${found}, expected ${checksum}`;
  throw new SlipwayError('SLIPWAY_CHECKSUM_MISMATCH', message, {
    hint: 'the file on the server is not the one that --checksum pins',
  });
}

function lastModified(response: Response): number {
  const time = Date.parse(response.headers.get('last-modified') ?? '');
  return Number.isNaN(time) ? 0 : Math.floor(time / 1000);
}

/** The frontend takes the name from the URL; it must not lead anywhere. */
function fileName({ filename, url }: HttpOp): BytePath {
  if (/[/\0]/.test(filename) || filename === '' || filename === '.' || filename === '..') {
    const message = `${withoutCredentials(url)}: ${JSON.stringify(filename)} is no file name`;
    throw new SlipwayError('SLIPWAY_URL_INVALID', message);
  }
  return toBytePath(filename);
}
