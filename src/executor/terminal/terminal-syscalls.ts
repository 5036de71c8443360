import { errnoName } from '../../core/errno-name.ts';
import { loadKoffi } from '../../core/load-koffi.ts';

/** Rows and columns of characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** What Node lacks of termios(3) and pty(7). The calls throw Errors with `code`. */
export interface TerminalSyscalls {
  /** The terminal's modes, as `setModes` takes them. */
  modes(fd: number): Uint8Array;
  /** Sets them at once; what was typed and not read stays. */
  setModes(fd: number, modes: Uint8Array): void;
  /** From now on every character is passed on as it is typed and written. */
  makeRaw(fd: number): void;
  /** Lets the other side of a new pseudoterminal be opened, and tells its number below /dev/pts. */
  unlock(master: number): number;
  resize(fd: number, size: TerminalSize): void;
}

const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TIOCSWINSZ = 0x5414;
/** More than `struct termios` has anywhere. */
const MODES_BYTES = 256;
const TCSANOW = 0;

let loaded: TerminalSyscalls | undefined;

/** The system calls; loads koffi on first use. */
export function terminalSyscalls(): TerminalSyscalls {
  loaded ??= load();
  return loaded;
}

function load(): TerminalSyscalls {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  const tcgetattr = libc.func('int tcgetattr(int, uint8_t*)');
  const tcsetattr = libc.func('int tcsetattr(int, int, const uint8_t*)');
  const cfmakeraw = libc.func('void cfmakeraw(uint8_t*)');
  const ioctl = libc.func('int ioctl(int, ulong, uint8_t*)');
  const check = (result: number, call: string): void => {
    if (result >= 0) return;
    const code = errnoName(koffi.errno());
    throw Object.assign(new Error(`${code}: ${call}`), { code, syscall: call });
  };
  const modesOf = (fd: number): Buffer => {
    const modes = Buffer.alloc(MODES_BYTES);
    check(tcgetattr(fd, modes), 'tcgetattr');
    return modes;
  };
  const setModes = (fd: number, modes: Uint8Array) => check(tcsetattr(fd, TCSANOW, modes), 'tcsetattr');
  return {
    modes: modesOf,
    setModes,
    makeRaw: (fd) => {
      const modes = modesOf(fd);
      cfmakeraw(modes);
      setModes(fd, modes);
    },
    unlock: (master) => {
      check(ioctl(master, TIOCSPTLCK, Buffer.alloc(4)), 'ioctl TIOCSPTLCK');
      const number = Buffer.alloc(4);
      check(ioctl(master, TIOCGPTN, number), 'ioctl TIOCGPTN');
      return number.readUInt32LE();
    },
    resize: (fd, { rows, columns }) => {
      // struct winsize; the last two are pixels, which nobody uses.
      const size = Buffer.from(Uint16Array.of(rows, columns, 0, 0).buffer);
      check(ioctl(fd, TIOCSWINSZ, size), 'ioctl TIOCSWINSZ');
    },
  };
}
