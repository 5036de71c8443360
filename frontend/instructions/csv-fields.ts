/** Why a text is not one line of comma-separated values, in the words of Go's encoding/csv. */
export interface BadCsv {
  readonly problem: string;
}

/**
 * The fields of one line of comma-separated values (RFC 4180): a field in double quotes may hold commas, and `""` for a quote. A
 * quote elsewhere, or one that is not closed, is refused.
 */
export function parseCsvFields(line: string): readonly string[] | BadCsv {
  if (line === '') return { problem: 'EOF' };
  const fields: string[] = [];
  for (let at = 0; ; ) {
    const field = line[at] === '"' ? readQuoted(line, at) : readPlain(line, at);
    if ('problem' in field) return field;
    fields.push(field.value);
    if (field.end === line.length) return fields;
    at = field.end + 1;
  }
}

interface Field {
  readonly value: string;
  /** Place of the comma, or of the end. */
  readonly end: number;
}

function readPlain(line: string, start: number): Field | BadCsv {
  const comma = line.indexOf(',', start);
  const end = comma === -1 ? line.length : comma;
  const value = line.slice(start, end);
  const quote = value.indexOf('"');
  if (quote !== -1)
    return { problem: `parse error on line 1, column ${start + quote + 1}: bare " in non-quoted-field` };
  return { value, end };
}

function readQuoted(line: string, start: number): Field | BadCsv {
  let value = '';
  for (let at = start + 1; ; ) {
    const quote = line.indexOf('"', at);
    const after = line[quote + 1];
    if (quote === -1 || (after !== '"' && after !== ',' && after !== undefined))
      return {
        problem: `parse error on line 1, column ${Math.max(quote, at) + 1}: extraneous or missing " in quoted-field`,
      };
    value += line.slice(at, quote);
    if (after !== '"') return { value, end: quote + 1 };
    value += '"';
    at = quote + 2;
  }
}
