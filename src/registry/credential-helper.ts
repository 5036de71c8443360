import { spawn } from 'node:child_process';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import { objectOf, parseJson, textOf } from '../core/json-shape.ts';
import type { Credentials } from './docker-config.ts';
import { printable } from './registry-error.ts';

const MAX_OUTPUT_BYTES = 64 * 1024;
const TIMEOUT_MS = 30_000;
const NOT_FOUND = 'credentials not found in native keychain';

/**
 * Asks `docker-credential-<helper>` for a server's credentials (github.com/docker/docker-credential-helpers); undefined where it
 * has none. A helper that is missing, fails, or says too much in too long is SLIPWAY_CREDENTIALS_UNAVAILABLE.
 */
export async function askCredentialHelper(
  helper: string,
  server: string,
  { env, signal, timeoutMs = TIMEOUT_MS }: { env: NodeJS.ProcessEnv; signal: AbortSignal; timeoutMs?: number },
): Promise<Credentials | undefined> {
  const unavailable = (why: string) =>
    new SlipwayError('SLIPWAY_CREDENTIALS_UNAVAILABLE', `docker-credential-${helper} ${why}, asked for ${server}`, {
      hint: "the helper is named by credsStore or credHelpers in docker's config.json: install it, or remove the entry",
    });
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper)) throw unavailable('is no name of a program');
  const timeout = AbortSignal.timeout(timeoutMs);
  const answer = await run(`docker-credential-${helper}`, server, {
    env,
    signal: AbortSignal.any([signal, timeout]),
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    if (timeout.aborted) throw unavailable(`did not answer within ${timeoutMs / 1000} s`);
    if (error instanceof OutputTooLong) throw unavailable(`wrote more than ${MAX_OUTPUT_BYTES} bytes`);
    if (errnoOf(error) === 'ENOENT') throw unavailable('is not installed');
    if (errnoOf(error) === 'EACCES') throw unavailable('is not executable');
    throw error;
  });
  if (answer.exitCode !== 0) {
    if (answer.output.toString('utf8').includes(NOT_FOUND)) return undefined;
    throw unavailable(`failed (${printable(answer.output.toString('utf8')) || `exit code ${answer.exitCode}`})`);
  }
  const document = objectOf(
    parseJson(answer.output, () => unavailable('answered no JSON')),
    'it',
    () => unavailable('answered no object'),
  );
  const text = (name: string) =>
    textOf(document[name], name, () => unavailable(`answered a ${name} that is no string`)) ?? '';
  const secret = text('Secret');
  if (secret === '') return undefined;
  const user = text('Username');
  return user === '<token>' ? { kind: 'identity-token', token: secret } : { kind: 'password', user, password: secret };
}

class OutputTooLong extends Error {}

/** Runs `program get` with the server on standard input. Settles only when the program is gone; what it started may not be. */
function run(
  program: string,
  server: string,
  options: { env: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<{ readonly exitCode: number | null; readonly output: Buffer }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { ...options, stdio: ['pipe', 'pipe', 'ignore'], killSignal: 'SIGKILL' });
    const chunks: Buffer[] = [];
    let length = 0;
    let failure: Error | undefined;
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_OUTPUT_BYTES) chunks.push(chunk);
      else {
        child.kill('SIGKILL');
        end(new OutputTooLong());
      }
    });
    const end = (why: Error) => {
      failure ??= why;
      // What the helper started may live on, and would hold the pipe.
      child.stdout.destroy();
    };
    child.on('error', (error) => {
      if (child.pid === undefined) reject(error);
      else end(error);
    });
    child.on('close', (exitCode) => {
      if (failure === undefined) resolve({ exitCode, output: Buffer.concat(chunks) });
      else reject(failure);
    });
    // A helper may answer without reading what it was asked.
    child.stdin.on('error', () => {});
    child.stdin.end(server);
  });
}
