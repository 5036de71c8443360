import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { digestOf } from '../../src/core/digest.ts';
import { addBlob, addManifest, type RegistryContents, sendError } from './registry.ts';

/** Uploads that were begun: what came so far. */
export interface Uploads {
  readonly sessions: Map<string, Buffer>;
  readonly maxBytes: number;
}

/** Answers POST, PATCH and PUT (distribution spec, "Push"). */
export async function answerPush(
  contents: RegistryContents,
  uploads: Uploads,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '', 'http://registry');
  const [, repository = '', rest = ''] = /^\/v2\/(.+?)\/((?:blobs\/uploads|manifests)\/.*)$/.exec(url.pathname) ?? [];
  if (Number(request.headers['content-length'] ?? 0) > uploads.maxBytes) {
    response.writeHead(413, { connection: 'close' }).end();
    return;
  }
  const body = await bodyOf(request);
  if (rest.startsWith('manifests/'))
    return putManifest(contents, repository, rest.slice('manifests/'.length), request, body, response);
  if (request.method === 'POST') return startUpload(contents, uploads, repository, url, response);
  const id = rest.slice('blobs/uploads/'.length);
  const before = uploads.sessions.get(id);
  if (before === undefined) return sendError(response, 404, 'BLOB_UPLOAD_UNKNOWN');
  const [, start] = /^(\d+)-\d+$/.exec(request.headers['content-range'] ?? '') ?? [];
  if (start !== undefined && Number(start) !== before.length) return sendError(response, 416, 'BLOB_UPLOAD_INVALID');
  const bytes = Buffer.concat([before, body]);
  if (request.method === 'PATCH') {
    uploads.sessions.set(id, bytes);
    const headers = { location: `/v2/${repository}/blobs/uploads/${id}`, range: `0-${bytes.length - 1}` };
    response.writeHead(202, headers).end();
    return;
  }
  uploads.sessions.delete(id);
  if (digestOf(bytes) !== url.searchParams.get('digest')) return sendError(response, 400, 'DIGEST_INVALID');
  const { digest } = addBlob(contents, repository, bytes, '');
  response.writeHead(201, { location: `/v2/${repository}/blobs/${digest}` }).end();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  // A client that cut the connection gets no answer anyway.
  try {
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
  } catch {}
  return Buffer.concat(chunks);
}

function startUpload(
  contents: RegistryContents,
  uploads: Uploads,
  repository: string,
  url: URL,
  response: ServerResponse,
): void {
  const mount = url.searchParams.get('mount');
  if (mount !== null && contents.links.has(`${url.searchParams.get('from')} ${mount}`)) {
    contents.links.add(`${repository} ${mount}`);
    response.writeHead(201, { location: `/v2/${repository}/blobs/${mount}` }).end();
    return;
  }
  const id = randomBytes(8).toString('hex');
  uploads.sessions.set(id, Buffer.alloc(0));
  response.writeHead(202, { location: `/v2/${repository}/blobs/uploads/${id}` }).end();
}

/** Refuses a manifest whose blobs or manifests the repository does not have, as real registries do. */
function putManifest(
  contents: RegistryContents,
  repository: string,
  name: string,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): void {
  const problem = problemOf(contents, repository, name, body);
  if (problem !== undefined) {
    sendError(response, 400, problem);
    return;
  }
  const tag = name.startsWith('sha256:') ? undefined : name;
  const { digest } = addManifest(contents, repository, body, request.headers['content-type'] ?? '', tag);
  response.writeHead(201, { 'docker-content-digest': digest, location: `/v2/${repository}/manifests/${digest}` }).end();
}

function problemOf(contents: RegistryContents, repository: string, name: string, body: Buffer): string | undefined {
  const document = JSON.parse(body.toString()) as {
    config?: { digest: string };
    layers?: { digest: string; urls?: string[] }[];
    manifests?: { digest: string }[];
  };
  const blobs = [document.config, ...(document.layers ?? [])].filter((blob) => blob !== undefined && !('urls' in blob));
  const hasBlobs = blobs.every((blob) => contents.links.has(`${repository} ${blob?.digest}`));
  const hasManifests = (document.manifests ?? []).every(({ digest }) =>
    contents.manifests.has(`${repository} ${digest}`),
  );
  if (!hasBlobs || !hasManifests) return 'MANIFEST_BLOB_UNKNOWN';
  return name.startsWith('sha256:') && name !== digestOf(body) ? 'DIGEST_INVALID' : undefined;
}
