import { SlipwayError, type SourceExcerpt } from '../../src/core/errors.ts';
import type { Dockerfile, Instruction } from '../instructions/instruction.ts';
import { parseInstruction, suggestKeyword } from '../instructions/parse-instruction.ts';
import { createProblems, type Problems } from '../problems.ts';
import { detectCheck, detectSyntax, readDirectives } from './directives.ts';
import { narrowSource } from './narrow-source.ts';
import { readStatements } from './read-statements.ts';
import type { Statement } from './statement.ts';

/**
 * Reads a Dockerfile (frontend 1.26) with BuildKit's line rules: what it accepts is accepted and means the same. Throws SlipwayError
 * with a source for the first problem of the text; further independent ones are its `others`. Variables are not expanded, stages not
 * looked at, except that nothing but ARG stands before the first FROM.
 */
export function parseDockerfile(file: string, text: string): Dockerfile {
  const problems = createProblems();
  const { dockerfile } = readDockerfile({ file, text }, problems);
  problems.throwIfAny();
  return dockerfile;
}

/** A Dockerfile as far as it can be read. */
export interface ReadDockerfile {
  /** Without the instructions that are wrong. */
  readonly dockerfile: Dockerfile;
  /** Whether what is missing leaves stages and variables as they are meant, so that it makes sense to look further. */
  readonly isCoherent: boolean;
}

/** The same for a text that may have problems, which are added to `problems`. */
export function readDockerfile(
  { file, text }: { readonly file: string; readonly text: string },
  problems: Problems,
): ReadDockerfile {
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  const head = readHead({ file, text: body }, problems);
  const { statements, findings, problem } = readStatements({ file, text: body, ...head });
  const { instructions, isCoherent } = parseAll(statements, body, problems);
  if (problem !== undefined) problems.add(problem);
  if (statements.length === 0) problems.add(noInstructions(file, body));
  const syntax = detectSyntax(body);
  const check = detectCheck(body);
  const hasStage = instructions.some(({ kind }) => kind === 'from');
  return {
    dockerfile: {
      file,
      text: body,
      escape: head.escape,
      ...(syntax === undefined ? {} : { syntax }),
      ...(check === undefined ? {} : { check }),
      instructions,
      findings,
    },
    isCoherent: problems.isEmpty || (isCoherent && hasStage && problem === undefined),
  };
}

/**
 * Reads an ONBUILD trigger of a base image's config. `origin` is the FROM that triggers it: the instruction gets its range, and errors
 * point to it. FROM is refused, and everything that is not one instruction.
 */
export function parseTrigger(text: string, origin: SourceExcerpt): Instruction {
  const { file } = origin.range;
  const statements = statementsOfTrigger(file, text, origin);
  const [statement] = statements;
  if (statement === undefined || statements.length > 1)
    throw inTrigger(
      new SlipwayError('SLIPWAY_ONBUILD_INVALID', 'onbuild trigger should be a single expression'),
      text,
      origin,
    );
  try {
    const instruction = parseInstruction({ ...statement, range: origin.range });
    if (instruction.kind !== 'from') return instruction;
  } catch (error) {
    throw error instanceof SlipwayError ? inTrigger(error, text, origin) : error;
  }
  throw inTrigger(
    new SlipwayError('SLIPWAY_ONBUILD_INVALID', "FROM isn't allowed as an ONBUILD trigger"),
    text,
    origin,
  );
}

function statementsOfTrigger(file: string, text: string, origin: SourceExcerpt): readonly Statement[] {
  const problems = createProblems();
  const { statements, problem } = readStatements({ file, text, ...readHead({ file, text }, problems) });
  if (problem !== undefined) problems.add(problem);
  try {
    problems.throwIfAny();
  } catch (error) {
    throw error instanceof SlipwayError ? inTrigger(error, text, origin) : error;
  }
  return statements;
}

function inTrigger(error: SlipwayError, trigger: string, source: SourceExcerpt): SlipwayError {
  const shown = trigger.length > 200 ? `${trigger.slice(0, 200)}…` : trigger;
  return new SlipwayError(
    error.code as `SLIPWAY_${string}`,
    `ONBUILD trigger ${JSON.stringify(shown)} of the base image: ${error.message}`,
    { ...(error.hint === undefined ? {} : { hint: error.hint }), source, cause: error },
  );
}

/** The escape character, and how many lines are directives. */
function readHead(
  { file, text }: { readonly file: string; readonly text: string },
  problems: Problems,
): { readonly escape: string; readonly directiveLines: number } {
  let escapeToken = '\\';
  let directiveLines = 0;
  const refuse = (line: number, message: string, hint: string) => {
    const source = { range: { file, startLine: line, endLine: line }, text };
    problems.add(new SlipwayError('SLIPWAY_DIRECTIVE_INVALID', message, { hint, source }));
  };
  for (const directive of readDirectives(text)) {
    directiveLines = directive.line;
    if ('duplicate' in directive)
      refuse(directive.line, `only one ${directive.name} parser directive can be used`, 'remove this line');
    else if (directive.name === 'escape') {
      if (directive.value === '\\' || directive.value === '`') escapeToken = directive.value;
      else
        refuse(
          directive.line,
          `invalid escape token '${directive.value}' does not match \` or \\`,
          'the escape directive takes a backslash or a backtick',
        );
    }
  }
  return { escape: escapeToken, directiveLines };
}

function parseAll(
  statements: readonly Statement[],
  text: string,
  problems: Problems,
): { readonly instructions: readonly Instruction[]; readonly isCoherent: boolean } {
  const instructions: Instruction[] = [];
  let hasStage = false;
  let isCoherent = true;
  for (const statement of statements) {
    if (problems.isFull) break;
    const source = { range: statement.range, text };
    try {
      const instruction = parseInstruction(statement);
      hasStage ||= instruction.kind === 'from';
      if (hasStage || instruction.kind === 'arg') instructions.push(instruction);
      else problems.add(noStage(statement, source));
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error;
      hasStage ||= isMeantAs(['FROM'], statement.keyword);
      isCoherent &&= !isMeantAs(['FROM', 'ARG', 'ENV'], statement.keyword);
      problems.add(error.at(narrowSource(source, error)));
    }
  }
  return { instructions, isCoherent };
}

/** A FROM that failed opens its stage all the same, so that what follows is not blamed. */
function isMeantAs(names: readonly string[], keyword: string): boolean {
  return names.includes(keyword.toUpperCase()) || names.includes(suggestKeyword(keyword) ?? '');
}

function noStage({ keyword }: Statement, source: SourceExcerpt): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_STAGE_MISSING',
    `no build stage in current context: ${keyword.toUpperCase()} stands before the first FROM`,
    { hint: 'start with FROM; only ARG may stand before it', source },
  );
}

function noInstructions(file: string, text: string): SlipwayError {
  return new SlipwayError(
    'SLIPWAY_DOCKERFILE_EMPTY',
    `the Dockerfile (${file}) cannot be empty: file with no instructions`,
    {
      hint: 'a Dockerfile needs at least FROM',
      source: { range: { file, startLine: 1, endLine: 1 }, text },
    },
  );
}
