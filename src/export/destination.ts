import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import { withFullDestination } from './full-destination.ts';
import { temporaryNameFor } from './temporary-name.ts';

/** Where the bytes of an archive go: a file, or a stream such as standard output. */
export type Destination =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stream'; readonly stream: NodeJS.WritableStream };

/** Written bytes between two looks at the abort signal. */
const BREATH_BYTES = 64 * 1024 * 1024;

/**
 * Writes the chunks to the destination. A chunk is used up when the next one is asked for, so a generator may fill the same buffer
 * again. A file is written beside its final name and renamed over it, so that a failure or a kill leaves the old one; a fifo or a
 * device is written to directly.
 */
export async function writeTo(
  destination: Destination,
  chunks: Iterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  if (destination.kind === 'stream') await writeStream(destination.stream, chunks, signal);
  else await writeFile(destination.path, chunks, signal);
}

async function writeStream(
  stream: NodeJS.WritableStream,
  chunks: Iterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  try {
    const file = fileBehind(stream);
    if (file === undefined) await writePipe(stream, chunks, signal);
    else await writeAll(file, chunks, signal);
  } catch (error) {
    throw withFullDestination(closedError(error), 'standard output');
  }
}

/** Node's stream for a file takes what was written of a chunk for the whole, which on a full disk it is not. */
function fileBehind(stream: NodeJS.WritableStream): number | undefined {
  const descriptor = 'fd' in stream && typeof stream.fd === 'number' ? stream.fd : undefined;
  return descriptor !== undefined && fstatSync(descriptor).isFile() ? descriptor : undefined;
}

async function writePipe(
  stream: NodeJS.WritableStream,
  chunks: Iterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  for (const chunk of chunks) {
    signal.throwIfAborted();
    await new Promise<void>((written, failed) => {
      stream.write(chunk, (error) => (error ? failed(error) : written()));
    });
  }
}

function closedError(error: unknown): unknown {
  if (errnoOf(error) !== 'EPIPE') return error;
  return new SlipwayError('SLIPWAY_OUTPUT_CLOSED', 'standard output was closed before everything was written to it', {
    cause: error,
  });
}

async function writeFile(path: string, chunks: Iterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const target = resolvedTarget(path);
  const existing = statIfThere(target);
  if (existing?.isDirectory())
    throw new SlipwayError('SLIPWAY_OUTPUT_IS_FOLDER', `the destination ${path} is a folder, expected a file`);
  if (existing !== undefined && !existing.isFile()) {
    const descriptor = openSync(target, constants.O_WRONLY);
    try {
      await writeAll(descriptor, chunks, signal);
    } catch (error) {
      throw withFullDestination(error, target);
    } finally {
      closeSync(descriptor);
    }
    return;
  }
  await replaceFile(target, existing, (descriptor) => writeAll(descriptor, chunks, signal));
}

async function replaceFile(
  target: string,
  existing: Stats | undefined,
  write: (descriptor: number) => Promise<void>,
): Promise<void> {
  const temporary = temporaryNameFor(target);
  try {
    const descriptor = createIn(temporary, target);
    try {
      if (existing !== undefined) fchmodSync(descriptor, existing.mode & 0o7777);
      await write(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw withFullDestination(error, target, dirname(target));
  }
}

function createIn(temporary: string, target: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    mkdirSync(dirname(target), { recursive: true });
    return openSync(temporary, flags, 0o666);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw new SlipwayError('SLIPWAY_OUTPUT_UNWRITABLE', `cannot write ${target}: ${errno}`, {
      cause: error,
      hint: 'the folder of the destination must be one that you may write to',
    });
  }
}

async function writeAll(descriptor: number, chunks: Iterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  let sinceBreath = 0;
  for (const chunk of chunks) {
    for (let offset = 0; offset < chunk.length; ) offset += writeSync(descriptor, chunk, offset);
    sinceBreath += chunk.length;
    if (sinceBreath < BREATH_BYTES) continue;
    sinceBreath = 0;
    await new Promise((resume) => setImmediate(resume));
    signal.throwIfAborted();
  }
}

/** Where a symlink at `path` leads, so that the link stays and the file behind it is replaced. */
function resolvedTarget(path: string): string {
  const absolute = resolve(path);
  try {
    return lstatSync(absolute).isSymbolicLink() ? realpathSync(absolute) : absolute;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return absolute;
    throw error;
  }
}

function statIfThere(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
