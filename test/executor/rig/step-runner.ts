/**
 * A program of its own that runs steps and prints what came of them as JSON: entering namespaces is for good, so the test
 * process must not do it itself, and an ordinary user's steps start with a re-execution. Argument: a file with a `RunnerRequest`.
 */
import { readFileSync } from 'node:fs';
import { ensureUserNamespace } from '../../../src/executor/rootless.ts';
import type { RunnerRequest, StepResult } from './steps.ts';

await ensureUserNamespace();
const { runStep } = await import('./run-step.ts');
const request = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as RunnerRequest;
const results: StepResult[] = [];
for (const step of request.steps) results.push(await runStep(request, step));
process.stdout.write(JSON.stringify(results));
