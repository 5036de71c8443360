import type { SshKey } from './private-key.ts';
import { sshString, uint32, WireReader } from './wire.ts';

/** Numbers of messages (draft-ietf-sshm-ssh-agent, section 6.1). */
const MESSAGE = { failure: 5, requestIdentities: 11, identitiesAnswer: 12, signRequest: 13, signResponse: 14 } as const;

/** The longest message of OpenSSH's agent. */
const LIMIT = 256 * 1024;

/** The answer to what is neither known nor allowed. */
export const FAILURE: Uint8Array = Uint8Array.of(MESSAGE.failure);

/** Whether a step may ask this of an agent: for its keys and for signatures, and for nothing that changes the agent. */
export function isAllowed(message: Uint8Array): boolean {
  return message[0] === MESSAGE.requestIdentities || message[0] === MESSAGE.signRequest;
}

/** What an agent that has these keys says to a message, both without their length. */
export function answer(message: Uint8Array, keys: readonly SshKey[]): Uint8Array {
  if (!isAllowed(message)) return FAILURE;
  if (message[0] === MESSAGE.requestIdentities) {
    // No comments: they are often names of files or people.
    const identities = keys.flatMap(({ blob }) => [sshString(blob), sshString('')]);
    return Buffer.concat([Uint8Array.of(MESSAGE.identitiesAnswer), uint32(keys.length), ...identities]);
  }
  try {
    const reader = new WireReader(message.subarray(1));
    const [blob, data, flags] = [reader.string(), reader.string(), reader.uint32()];
    const key = keys.find((one) => one.blob.equals(blob));
    if (key === undefined) return FAILURE;
    return Buffer.concat([Uint8Array.of(MESSAGE.signResponse), sshString(key.sign(data, flags))]);
  } catch (error) {
    if (error instanceof RangeError) return FAILURE;
    throw error;
  }
}

/** A message with its length in front, as it goes over the socket. */
export function framed(message: Uint8Array): Buffer {
  return sshString(message);
}

/**
 * Cuts a stream into messages: give it what comes, and it gives what is complete, without lengths. Throws `RangeError` for a message that
 * is longer than any agent takes.
 */
export function messageCutter(): (data: Uint8Array) => readonly Buffer[] {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    rest = Buffer.concat([rest, data]);
    const messages: Buffer[] = [];
    while (rest.length >= 4) {
      const length = rest.readUInt32BE();
      if (length > LIMIT) throw new RangeError(`a message of ${length} bytes`);
      if (rest.length < 4 + length) break;
      messages.push(rest.subarray(4, 4 + length));
      rest = rest.subarray(4 + length);
    }
    return messages;
  };
}
