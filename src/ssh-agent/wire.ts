/** The data types of SSH (RFC 4251, section 5), written one after the other. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Bytes or text, behind their length. */
export function sshString(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** A positive number from its big-endian bytes: no leading zeros but the one that keeps it positive. */
export function mpint(value: Uint8Array): Buffer {
  let start = 0;
  while (start < value.length && value[start] === 0) start++;
  const digits = Buffer.from(value.subarray(start));
  const needsSign = (digits[0] ?? 0) >= 0x80;
  return sshString(needsSign ? Buffer.concat([Buffer.from([0]), digits]) : digits);
}

/** Reads what the functions above write. Every method throws `RangeError` where the bytes end too soon. */
export class WireReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  /** A view, not a copy. */
  string(): Buffer {
    return this.take(this.uint32());
  }

  text(): string {
    return this.string().toString('latin1');
  }

  take(length: number): Buffer {
    if (length > this.#bytes.length - this.#offset) throw new RangeError('the data ends too soon');
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }
}
