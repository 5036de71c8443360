import type { FrontendRequest } from '../frontend.ts';
import type { Dockerfile } from '../instructions/instruction.ts';
import { checkInstructions } from '../lint/check-instructions.ts';
import { DEFAULT_CHECK_OPTIONS, parseCheckOptions } from '../lint/check-options.ts';
import { createLinter, type Linter } from '../lint/linter.ts';
import { checkSyntax } from '../parser/check-syntax.ts';
import { readDockerfile } from '../parser/parse-dockerfile.ts';
import { createProblems, type Problems } from '../problems.ts';
import { withEpochArgument } from '../stages/source-date-epoch.ts';

/** A request whose Dockerfile was read: what planning and conversion start from. */
export interface ReadRequest {
  readonly request: FrontendRequest;
  /** Without the instructions that are wrong. */
  readonly dockerfile: Dockerfile;
  /** It has looked at the text. */
  readonly linter: Linter;
  /** What was wrong with the text; whoever goes on adds to it, and throws them together. */
  readonly problems: Problems;
  /** Whether going on finds problems of their own, rather than consequences of those that there are. */
  readonly isCoherent: boolean;
}

/** Reads the Dockerfile of a request. Throws nothing that a user can mend: that is in `problems`. */
export function readRequest(original: FrontendRequest): ReadRequest {
  const problems = createProblems();
  const request = problems.attempt(undefined, () => withEpochArgument(original)) ?? original;
  const { name: file, text } = request.dockerfile;
  const { dockerfile, isCoherent } = readDockerfile({ file, text }, problems);
  const linter = createLinter(dockerfile.text, checkOptions(dockerfile, request, problems));
  const foreign = createProblems();
  foreign.attempt(undefined, () => checkSyntax(dockerfile, request.buildArgs));
  if (!foreign.isEmpty) return { request, dockerfile, linter, problems: foreign, isCoherent: false };
  for (const { rule, range } of dockerfile.findings)
    if (rule === 'NoEmptyContinuation') linter.report('NoEmptyContinuation', range);
  checkInstructions(dockerfile, linter);
  return { request, dockerfile, linter, problems, isCoherent };
}

function checkOptions(dockerfile: Dockerfile, { buildArgs }: FrontendRequest, problems: Problems) {
  const text = buildArgs.BUILDKIT_DOCKERFILE_CHECK ?? dockerfile.check ?? '';
  return problems.attempt(undefined, () => parseCheckOptions(text)) ?? DEFAULT_CHECK_OPTIONS;
}
