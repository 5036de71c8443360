import { hash } from 'node:crypto';
import { type Digest, type RunningDigest, startDigest } from './digest.ts';
import { loadKoffi } from './load-koffi.ts';

/** What a running SHA-256 has come to after some bytes, for `resume` on a machine and Node of the same `digestStateForm`. */
export type DigestState = Buffer & { readonly __digestState: never };

/** A running SHA-256 that another process can go on with. */
export interface ResumableDigest extends RunningDigest {
  /** `update` on the thread pool, where that is possible. Until it resolves the bytes must stay as they are, and nothing else be called. */
  updateInBackground(bytes: Uint8Array): Promise<void>;
  /** Undefined where this Node does not give it out. */
  state(): DigestState | undefined;
  /** Goes on as if exactly the bytes that led to the state had been given. */
  resume(state: DigestState): void;
}

interface ForeignUpdate {
  (context: Buffer, bytes: Uint8Array, length: number): void;
  /** The same on the thread pool. */
  async(context: Buffer, bytes: Uint8Array, length: number, done: (error: Error | null) => void): void;
}

/** OpenSSL's functions, which Node's crypto module keeps to itself, and its SHA256_CTX as bytes that nobody looks into. */
interface OpenSsl {
  init(context: Buffer): void;
  update: ForeignUpdate;
  finish(digest: Buffer, context: Buffer): void;
}

const STATE_BYTES = 112;
/** More than any version needs: one with more state must fail the trial, and write to no foreign memory. */
const CONTEXT_BYTES = 1024;

/** A digest that can be resumed, or where this Node does not export what that takes, one that says so by its `state`. */
export function startResumableDigest(): ResumableDigest {
  const openSsl = resumableOpenSsl();
  if (openSsl !== undefined) return startWith(openSsl);
  const resume = () => {
    throw new Error('internal: a digest was resumed that cannot be');
  };
  const digest = startDigest();
  return { ...digest, updateInBackground: async (bytes) => digest.update(bytes), state: () => undefined, resume };
}

/** Names what the form of states depends on; undefined where there are none. */
export function digestStateForm(): string | undefined {
  return resumableOpenSsl() === undefined ? undefined : `${process.arch} ${process.versions.openssl}`;
}

function startWith(openSsl: OpenSsl): ResumableDigest {
  const context = Buffer.alloc(CONTEXT_BYTES);
  openSsl.init(context);
  return {
    update: (bytes) => openSsl.update(context, bytes, bytes.length),
    updateInBackground: (bytes) =>
      new Promise((resolve, reject) => {
        openSsl.update.async(context, bytes, bytes.length, (error) => (error === null ? resolve() : reject(error)));
      }),
    finish: () => {
      const digest = Buffer.alloc(32);
      openSsl.finish(digest, context);
      return `sha256:${digest.toString('hex')}` as Digest;
    },
    state: () => Buffer.from(context.subarray(0, STATE_BYTES)) as DigestState,
    resume: (state) => void state.copy(context, 0, 0, STATE_BYTES),
  };
}

let tried: { readonly openSsl: OpenSsl | undefined } | undefined;

function resumableOpenSsl(): OpenSsl | undefined {
  tried ??= { openSsl: loadOpenSsl() };
  return tried.openSsl;
}

function loadOpenSsl(): OpenSsl | undefined {
  const koffi = loadKoffi();
  try {
    const node = koffi.load(null);
    const openSsl = {
      init: node.func('int SHA256_Init(void*)'),
      update: node.func('int SHA256_Update(void*, const void*, size_t)'),
      finish: node.func('int SHA256_Final(void*, void*)'),
    };
    return isResumable(openSsl) ? openSsl : undefined;
  } catch {
    // koffi's errors have no codes. A Node without OpenSSL has no such functions, and a static one may show none.
    return undefined;
  }
}

/** Whether a state that is taken in the middle of a block leads to the digest that it should. */
function isResumable(openSsl: OpenSsl): boolean {
  const bytes = Buffer.alloc(300, 'a known text ');
  const first = startWith(openSsl);
  first.update(bytes.subarray(0, 150));
  const state = first.state();
  const second = startWith(openSsl);
  if (state !== undefined) second.resume(state);
  second.update(bytes.subarray(150));
  return second.finish() === `sha256:${hash('sha256', bytes, 'hex')}`;
}
