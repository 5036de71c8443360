import { invalidOption } from './invalid-option.ts';

/** A number of things, 0 or more; undefined where none is said. */
export function parseCount(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw invalidOption(option, `"${text}": expected a number such as 0 or 3`);
}
