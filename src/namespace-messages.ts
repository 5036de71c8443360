import { deserialize, serialize } from 'node:v8';
import type { BuildOutcome, BuildRequest } from './build-request.ts';
import { SlipwayError, type SlipwayErrorOptions } from './core/errors.ts';
import type { ProgressEvent } from './core/progress.ts';

/** What a build in a namespace of its own says to the process that asked for it, one line on standard error each. */
export type NamespaceMessage =
  | { readonly type: 'event'; readonly event: ProgressEvent }
  | { readonly type: 'outcome'; readonly outcome: BuildOutcome }
  | { readonly type: 'failure'; readonly error: unknown };

/** A request without its standard input, whose bytes follow it. */
export type PlainRequest = Omit<BuildRequest, 'stdin'>;

const MARK = 'slipway-message:';
const LENGTH_BYTES = 4;
const REQUEST_LIMIT = 64 * 1024 * 1024;

/** The message as a line, without its end. Errors of slipway keep everything but their cause. */
export function messageLine(message: NamespaceMessage): string {
  return MARK + serialize(plain(message)).toString('base64');
}

/** The message of a line, or undefined for a line that somebody else wrote. */
export function readMessageLine(line: string): NamespaceMessage | undefined {
  if (!line.startsWith(MARK)) return undefined;
  return revived(deserialize(Buffer.from(line.slice(MARK.length), 'base64'))) as NamespaceMessage;
}

/** The request as it goes in front of the bytes of standard input. */
export function requestFrame(request: PlainRequest): Buffer {
  // An environment may be the process's own, which is no plain object.
  const body = serialize({ ...request, env: { ...request.env } });
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Reads a request off `stream`, and gives what follows it as the request's standard input. */
export async function readRequestFrame(stream: AsyncIterable<Uint8Array>): Promise<BuildRequest> {
  const chunks = stream[Symbol.asyncIterator]();
  let buffered: Buffer = Buffer.alloc(0);
  const fill = async (length: number) => {
    while (buffered.length < length) {
      const next = await chunks.next();
      if (next.done) throw new Error('internal: the build request ended early');
      buffered = Buffer.concat([buffered, next.value]);
    }
  };
  await fill(LENGTH_BYTES);
  const length = buffered.readUInt32BE();
  if (length > REQUEST_LIMIT) throw new Error('internal: the build request is too long');
  await fill(LENGTH_BYTES + length);
  const request = deserialize(buffered.subarray(LENGTH_BYTES, LENGTH_BYTES + length)) as PlainRequest;
  const rest = buffered.subarray(LENGTH_BYTES + length);
  return { ...request, stdin: following(rest, chunks) };
}

async function* following(rest: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield rest;
  for (;;) {
    const next = await chunks.next();
    if (next.done) return;
    yield next.value;
  }
}

interface PlainError {
  readonly slipwayError: SlipwayErrorOptions & { readonly code: string; readonly message: string };
}

/** The same value with every SlipwayError as data; the depth is that of an event. */
function plain(value: unknown): unknown {
  if (value instanceof SlipwayError) {
    const { code, message, hint, source, outputTail, exitCode, others } = value;
    const options = { hint, source, outputTail, exitCode, others: others.map(plain) };
    return { slipwayError: { code, message, ...options } };
  }
  if (value instanceof Error) return { plainError: value.message };
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

function revived(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Array.isArray(value)) return value;
  if ('slipwayError' in value) return revivedError((value as PlainError).slipwayError);
  if ('plainError' in value) return new Error(String(value.plainError));
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revived(member)]));
}

function revivedError({ code, message, others, ...options }: PlainError['slipwayError']): SlipwayError {
  const given = Object.fromEntries(Object.entries(options).filter(([, member]) => member !== undefined));
  return new SlipwayError(code as `SLIPWAY_${string}`, message, {
    ...given,
    others: (others ?? []).map((other) => revived(other) as SlipwayError),
  });
}
