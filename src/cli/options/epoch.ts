import { invalidOption } from './invalid-option.ts';

/** SOURCE_DATE_EPOCH: whole seconds since 1970; an empty text is none, and `context` is not known before the context is. */
export function parseEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '' || text === 'context') return undefined;
  const seconds = Number(text);
  if (/^\d{1,12}$/.test(text) && seconds <= 253_402_300_799) return seconds;
  throw invalidOption('SOURCE_DATE_EPOCH', `"${text}": expected whole seconds since 1970`);
}
