/**
 * A program of its own that builds with archives as an ordinary user, who becomes root of a user namespace for good. Takes lines of
 * JSON on standard input, with the archive in a file, and answers each with a line: an `Outcome`, or `{"broken": stack}`.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ensureUserNamespace } from '../../src/executor/rootless.ts';
import type { Application } from './apply-archive.ts';

/** What a line holds. */
export type ApplicationLine = Omit<Application, 'archive'> & { readonly archivePath: string };

await ensureUserNamespace();
const { applyArchive } = await import('./apply-archive.ts');
for await (const line of createInterface({ input: process.stdin })) {
  const { archivePath, ...application } = JSON.parse(line) as ApplicationLine;
  const answer = await applyArchive({ ...application, archive: readFileSync(archivePath) }).catch((error: Error) => ({
    broken: error.stack ?? error.message,
  }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
