/** A system call that the kernel holds until it is answered: `struct seccomp_notif` of linux/seccomp.h. */
export interface Notification {
  readonly id: bigint;
  /** The calling thread, by its number in this process's PID namespace. */
  readonly pid: number;
  /** Of the system call. */
  readonly number: number;
  /** AUDIT_ARCH_* of linux/audit.h: by which of the machine's conventions the call was made. */
  readonly architecture: number;
  readonly args: readonly [bigint, bigint, bigint, bigint, bigint, bigint];
}

/** What a caller gets: a result of 0, an errno, or what the kernel makes of the call itself. */
export type Answer = 'done' | 'by-kernel' | { readonly errno: number };

/** Of `struct seccomp_notif`. */
export const NOTIFICATION_BYTES = 80;
const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;

/** From `struct seccomp_notif`. */
export function readNotification(bytes: Buffer): Notification {
  const argument = (index: number) => bytes.readBigUInt64LE(32 + index * 8);
  return {
    id: bytes.readBigUInt64LE(0),
    pid: bytes.readUInt32LE(8),
    number: bytes.readInt32LE(16),
    architecture: bytes.readUInt32LE(20),
    args: [argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)],
  };
}

/** `struct seccomp_notif_resp`. */
export function answerBytes(id: bigint, answer: Answer): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(id, 0);
  if (answer === 'by-kernel') bytes.writeUInt32LE(SECCOMP_USER_NOTIF_FLAG_CONTINUE, 20);
  else if (answer !== 'done') bytes.writeInt32LE(-answer.errno, 16);
  return bytes;
}
