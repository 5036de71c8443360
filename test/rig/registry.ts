import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Descriptor } from '../../src/core/descriptor.ts';
import { type Digest, digestOf } from '../../src/core/digest.ts';
import { close, listen } from './local-server.ts';
import { type AuthMode, challengeFor, startTokenServer, type TokenServer } from './registry-auth.ts';
import { answerPush, type Uploads } from './registry-push.ts';

/** A request as the registry got it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly headers: IncomingMessage['headers'];
}

/** Answers a request in place of the registry, or calls `next` to let it answer. */
export type Interception = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

export interface RegistryRigOptions {
  readonly auth?: AuthMode;
  /** Uploads that are not sent in chunks of at most so many bytes are refused with 413. */
  readonly maxUploadBytes?: number;
}

/** What a registry holds. Blobs are in one pool; a repository sees those that were added or pushed to it. */
export interface RegistryContents {
  readonly blobs: Map<Digest, Buffer>;
  /** `<repository> <digest>`. */
  readonly links: Set<string>;
  /** `<repository> <digest>` to media type and bytes. */
  readonly manifests: Map<string, { readonly mediaType: string; readonly bytes: Buffer }>;
  /** `<repository> <tag>` to digest. */
  readonly tags: Map<string, Digest>;
}

/** A registry in this process, on 127.0.0.1 and a free port, for tests. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>`, for references. */
  readonly host: string;
  readonly contents: RegistryContents;
  /** Every request in order, those to the token server not among them. */
  readonly requests: SeenRequest[];
  /** There with the auth mode `token`. */
  readonly tokens: TokenServer | undefined;
  addBlob(repository: string, bytes: Uint8Array, mediaType?: string): Descriptor;
  addManifest(repository: string, bytes: Uint8Array, options: { mediaType: string; tag?: string }): Descriptor;
  /** For the next `times` requests (default: all) whose `METHOD path` matches. The latest interception is asked first. */
  intercept(pattern: RegExp, interception: Interception, times?: number): void;
}

/** Starts a registry; whoever started it disposes it. */
export async function startRegistry(options: RegistryRigOptions = {}): Promise<TestRegistry> {
  const contents: RegistryContents = { blobs: new Map(), links: new Set(), manifests: new Map(), tags: new Map() };
  const requests: SeenRequest[] = [];
  const interceptions: { pattern: RegExp; interception: Interception; times: number }[] = [];
  const uploads: Uploads = { sessions: new Map(), maxBytes: options.maxUploadBytes ?? Number.POSITIVE_INFINITY };
  const tokens = options.auth?.kind === 'token' ? await startTokenServer(options.auth) : undefined;
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    requests.push({ method, path: url, authorization: headers.authorization, headers });
    const answer = () => {
      const challenge = challengeFor(options.auth, tokens, request);
      if (challenge !== undefined) return sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': challenge });
      if (method === 'GET' || method === 'HEAD') return answerPull(contents, request, response);
      return answerPush(contents, uploads, request, response);
    };
    const found = interceptions.findLast(({ pattern, times }) => times > 0 && pattern.test(`${method} ${url}`));
    if (found === undefined) return answer();
    found.times--;
    found.interception(request, response, answer);
  });
  const host = `127.0.0.1:${await listen(server)}`;
  return {
    host,
    contents,
    requests,
    tokens,
    addBlob: (repository, bytes, mediaType = 'application/octet-stream') =>
      addBlob(contents, repository, bytes, mediaType),
    addManifest: (repository, bytes, { mediaType, tag }) => addManifest(contents, repository, bytes, mediaType, tag),
    intercept: (pattern, interception, times = Number.POSITIVE_INFINITY) =>
      void interceptions.push({ pattern, interception, times }),
    async [Symbol.asyncDispose]() {
      await close(server);
      await tokens?.[Symbol.asyncDispose]();
    },
  };
}

/** An interception that announces the whole of `bytes`, sends `length` of them and cuts the connection. */
export function cutAfter(bytes: Uint8Array, length: number): Interception {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.byteLength });
    response.write(bytes.subarray(0, length), () => response.socket?.destroy());
  };
}

/** An interception that answers with a status, headers and a body. */
export function respond(
  status: number,
  headers: Record<string, string> = {},
  body: string | Uint8Array = '',
): Interception {
  return (_request, response) => void response.writeHead(status, headers).end(body);
}

/** Answers in the form of the distribution spec's errors. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  const message = code.toLowerCase().replaceAll('_', ' ');
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

export function addBlob(
  contents: RegistryContents,
  repository: string,
  bytes: Uint8Array,
  mediaType: string,
): Descriptor {
  const digest = digestOf(bytes);
  contents.blobs.set(digest, Buffer.from(bytes));
  contents.links.add(`${repository} ${digest}`);
  return { mediaType, digest, size: bytes.byteLength };
}

export function addManifest(
  contents: RegistryContents,
  repository: string,
  bytes: Uint8Array,
  mediaType: string,
  tag: string | undefined,
): Descriptor {
  const digest = digestOf(bytes);
  contents.manifests.set(`${repository} ${digest}`, { mediaType, bytes: Buffer.from(bytes) });
  if (tag !== undefined) contents.tags.set(`${repository} ${tag}`, digest);
  return { mediaType, digest, size: bytes.byteLength };
}

function answerPull(contents: RegistryContents, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '').replace(/\?.*$/, '');
  const [, repository = '', kind, name = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
  const digest = contents.tags.get(`${repository} ${name}`) ?? name;
  const manifest = kind === 'manifests' ? contents.manifests.get(`${repository} ${digest}`) : undefined;
  const isLinked = kind === 'blobs' && contents.links.has(`${repository} ${name}`);
  const blob = isLinked ? contents.blobs.get(name as Digest) : undefined;
  if (manifest !== undefined) {
    const { mediaType, bytes } = manifest;
    response.setHeader('docker-content-digest', digest);
    response.writeHead(200, { 'content-type': mediaType, 'content-length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  } else if (blob !== undefined) sendBlob(request, response, blob);
  else sendError(response, 404, kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN');
}

/** Sends a blob, or the part of it that a Range header asks for. */
export function sendBlob(request: IncomingMessage, response: ServerResponse, blob: Buffer): void {
  const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const part = blob.subarray(Number(start ?? 0));
  const range = start === undefined ? {} : { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` };
  response.writeHead(start === undefined ? 200 : 206, { 'content-length': part.length, ...range });
  response.end(request.method === 'HEAD' ? undefined : part);
}
