import { invalidOption } from './invalid-option.ts';

/**
 * The comma-separated fields of an option's value. A field in double quotes may hold commas, and quotes by doubling them
 * (RFC 4180, one record).
 */
export function csvFields(option: string, text: string): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|$)/y;
  for (;;) {
    const at = field.lastIndex;
    const match = field.exec(text);
    if (match === null)
      throw invalidOption(option, `"${text}": a quote is missing or misplaced behind character ${at}`);
    fields.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    if (match[3] === '') return fields;
  }
}

/** The fields as pairs; keys in lower case and without surrounding blanks. */
export function csvPairs(option: string, text: string): (readonly [key: string, value: string])[] {
  return csvFields(option, text).map((field) => {
    const equals = field.indexOf('=');
    if (equals < 0) throw invalidOption(option, `"${field}" in "${text}": expected KEY=VALUE`);
    return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
  });
}
