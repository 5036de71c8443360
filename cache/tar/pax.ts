/**
 * Records of a PAX extended header (POSIX.1-2017, pax, "pax Extended Header"): `LENGTH KEY=VALUE\n`, where LENGTH counts the whole
 * record. Keys and values are bytes in latin1.
 */
export function encodePaxRecords(records: ReadonlyMap<string, string>): Buffer {
  let text = '';
  for (const key of [...records.keys()].sort()) text += paxRecord(key, records.get(key) ?? '');
  return Buffer.from(text, 'latin1');
}

function paxRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  // The length counts its own digits, and one more digit may be what makes it need one more.
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** The records in order, duplicates included; undefined where the bytes are no PAX records. */
export function parsePaxRecords(bytes: Buffer): [key: string, value: string][] | undefined {
  const records: [string, string][] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const space = bytes.indexOf(0x20, offset);
    if (space < 0 || space - offset > 10) return undefined;
    const digits = bytes.toString('latin1', offset, space);
    if (!/^[1-9][0-9]*$/.test(digits)) return undefined;
    const end = offset + Number(digits);
    const equals = bytes.indexOf(0x3d, space + 1);
    if (end > bytes.length || end <= space + 1 || bytes[end - 1] !== 0x0a) return undefined;
    if (equals <= space + 1 || equals >= end) return undefined;
    records.push([bytes.toString('latin1', space + 1, equals), bytes.toString('latin1', equals + 1, end - 1)]);
    offset = end;
  }
  return records;
}
