import { SlipwayError } from '../../src/core/errors.ts';
import { parseGoBoolean } from '../../src/core/go-literals.ts';
import { suggest } from '../../src/core/suggest.ts';
import { parseCsvFields } from './csv-fields.ts';

/** A `--device` of RUN: a CDI device name and whether the build fails without it. */
export interface RunDevice {
  readonly name: string;
  readonly required: boolean;
}

/** Reads `[name=]NAME[,required[=BOOL]]`. A CDI name may hold `=` itself (`vendor.com/gpu=all`). */
export function parseRunDevice(written: string): RunDevice {
  const fields = parseCsvFields(written);
  if ('problem' in fields) throw invalid(`failed to parse csv devices: ${fields.problem}`);
  let name = '';
  let required = false;
  for (const field of fields) {
    const equals = field.indexOf('=');
    const key = (equals === -1 ? field : field.slice(0, equals)).toLowerCase();
    const value = equals === -1 ? undefined : field.slice(equals + 1);
    if (key === 'required') required = value === undefined || readRequired(value);
    else if (key === 'name' && value !== undefined) {
      if (name !== '') throw invalid(`device name already set to ${name}`);
      name = value;
    } else if (name === '') name = field;
    else throw unexpected(key, field, value);
  }
  return { name, required };
}

function readRequired(value: string): boolean {
  const required = parseGoBoolean(value);
  if (required === undefined) throw invalid(`invalid value for required: ${value}`);
  return required;
}

function unexpected(key: string, field: string, value: string | undefined): SlipwayError {
  if (value === undefined) return invalid(`invalid field '${field}' must be a key=value pair`);
  const meant = suggest(key, ['name', 'required']);
  return invalid(`unexpected key '${key}' in '${field}'`, meant === undefined ? undefined : `did you mean ${meant}?`);
}

function invalid(message: string, hint?: string): SlipwayError {
  return new SlipwayError('SLIPWAY_FLAG_INVALID', message, hint === undefined ? {} : { hint });
}
