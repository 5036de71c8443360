import type { SlipwayError } from './errors.ts';

/** Makes the error for a document that is not what it must be; `problem` reads like `"layers" is not an array`. */
export type Complaint = (problem: string) => SlipwayError;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses JSON text in UTF-8 that came from outside. What it is made of is unknown until one of the functions below looked. */
export function parseJson(bytes: Uint8Array, complain: Complaint): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw complain(`it is not JSON (it begins ${JSON.stringify(text.slice(0, 40))})`);
  }
}

/** A value as a message shows it, in at most 120 characters: of what may be nested to any depth only what it is. */
export function shownJson(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return (JSON.stringify(value) ?? 'nothing').slice(0, 120);
}

/** `value` as an object; arrays and null are none. */
export function objectOf(value: unknown, name: string, complain: Complaint): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw complain(`${name} is not an object`);
}

/** An optional list: null, as Go writes an empty one, and a missing member are the empty list. */
export function listOf(value: unknown, name: string, complain: Complaint): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw complain(`${name} is not an array`);
}

/** An optional text: null and a missing member are undefined. */
export function textOf(value: unknown, name: string, complain: Complaint): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw complain(`${name} is not a string`);
}

/** An optional list of texts. */
export function textsOf(value: unknown, name: string, complain: Complaint): readonly string[] {
  const list = listOf(value, name, complain);
  if (list.every((item): item is string => typeof item === 'string')) return list;
  throw complain(`${name} holds something that is not a string`);
}

/** An optional map of texts. */
export function textMapOf(value: unknown, name: string, complain: Complaint): Readonly<Record<string, string>> {
  const entries = Object.entries(value === undefined || value === null ? {} : objectOf(value, name, complain));
  if (entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
    return Object.fromEntries(entries);
  throw complain(`${name} holds something that is not a string`);
}

/** An optional whole number, safe and not negative. */
export function countOf(value: unknown, name: string, complain: Complaint): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw complain(`${name} is not a whole number`);
}
