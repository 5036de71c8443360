import { SlipwayError } from '../../src/core/errors.ts';

const HIGHEST = 0o7777;
const SYMBOLIC_CLAUSE = /^[augo]*(?:[-+=][rwxXstugo]*)+$/;

/** A `--chmod` value: octal bits as a number, a symbolic mode of chmod(1) as it is. Throws SLIPWAY_CHMOD_INVALID. */
export function parseChmod(text: string): number | string {
  if (/^[0-7]+$/.test(text) && Number.parseInt(text, 8) <= HIGHEST) return Number.parseInt(text, 8);
  const clauses = text.split(',');
  if (!/^\d/.test(text) && clauses.every((clause) => SYMBOLIC_CLAUSE.test(clause))) return text;
  const isNumber = /^\d/.test(text);
  throw new SlipwayError(
    'SLIPWAY_CHMOD_INVALID',
    isNumber
      ? `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`
      : `invalid chmod parameter: '${text}': invalid syntax of a symbolic mode`,
    { hint: 'write --chmod=755 or --chmod=u=rwX,go=rX' },
  );
}
