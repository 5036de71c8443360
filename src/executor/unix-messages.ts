import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { loadKoffi } from '../core/load-koffi.ts';

const AF_UNIX = 1;
/** A socket's path with the null byte at its end. */
const SOCKET_PATH_MAX = 108;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** Of `struct cmsghdr` with one descriptor, without and with what aligns the next. */
const CONTROL = { length: 20, space: 24, data: 16 } as const;

/** What `use` makes of the `struct sockaddr_un` of a path, which may be longer than that can hold. */
export function withUnixAddress<T>(path: string, use: (address: Buffer) => T): T {
  const address = Buffer.alloc(2 + SOCKET_PATH_MAX);
  address.writeUInt16LE(AF_UNIX, 0);
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    address.write(`/proc/self/fd/${folder}/${basename(path)}`, 2);
    return use(address);
  } finally {
    closeSync(folder);
  }
}

/** `struct msghdr` of sendmsg(2) and recvmsg(2), for koffi. */
export function messageHeader(koffi: ReturnType<typeof loadKoffi>) {
  const vector = koffi.struct({ base: 'uint8_t*', length: 'ulong' });
  return koffi.struct({
    name: 'void*',
    nameLength: 'uint32_t',
    vectors: koffi.pointer(vector),
    vectorCount: 'ulong',
    control: 'uint8_t*',
    controlLength: 'ulong',
    flags: 'int',
  });
}

/** `struct cmsghdr` that brings a descriptor. */
export function descriptorMessage(fd: number): Buffer {
  const control = Buffer.alloc(CONTROL.space);
  control.writeBigUInt64LE(BigInt(CONTROL.length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(fd, CONTROL.data);
  return control;
}

/** The descriptor that came with a received message; undefined where none did. */
export function receivedDescriptor(control: Buffer): number | undefined {
  const isOne = control.readBigUInt64LE(0) === BigInt(CONTROL.length) && control.readInt32LE(12) === SCM_RIGHTS;
  return isOne ? control.readInt32LE(CONTROL.data) : undefined;
}
