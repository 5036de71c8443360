import type { SourceRange } from '../../src/core/errors.ts';
import type { Linter } from './linter.ts';

const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** Warns of an ARG or ENV whose name says that it holds a secret. */
export function reportSecret(
  instruction: 'ARG' | 'ENV',
  name: string,
  { linter, range }: { readonly linter: Linter; readonly range: SourceRange },
): void {
  if (SECRET.test(name) && !HARMLESS.test(name)) linter.report('SecretsUsedInArgOrEnv', range, instruction, name);
}
