/**
 * A program of its own that runs steps: entering namespaces is for good, so the test process must not do it itself, and an
 * ordinary user's steps start with a re-execution. Takes a folder, a runtime and a busybox as arguments, `StepRequest`s as lines of JSON
 * on standard input, and answers each with a line `StepResult`.
 */
import { createInterface } from 'node:readline';
import { ensureUserNamespace } from '../../../src/executor/rootless.ts';
import type { StepRequest } from './steps.ts';

await ensureUserNamespace();
const { runStep } = await import('./run-step.ts');
const [, , folder = '', runtime = '', busybox = ''] = process.argv;
for await (const line of createInterface({ input: process.stdin })) {
  const result = await runStep({ folder, runtime, busybox }, JSON.parse(line) as StepRequest);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
