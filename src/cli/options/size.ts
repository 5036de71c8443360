import { invalidOption } from './invalid-option.ts';

const UNITS = ['', 'k', 'm', 'g', 't', 'p'];

/** A size as docker takes it: `64m`, `1.5 GiB`, `1024`; the units are powers of 1024 in every spelling. */
export function parseSize(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?(?:i?b)?$/i.exec(text.trim());
  const bytes = Math.floor(Number(match?.[1]) * 1024 ** UNITS.indexOf(match?.[2]?.toLowerCase() ?? ''));
  if (match === null || !Number.isSafeInteger(bytes))
    throw invalidOption(option, `"${text}": expected a size such as 64m, 1.5g or a number of bytes`);
  return bytes;
}
