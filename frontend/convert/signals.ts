/** Linux signals by name, as github.com/moby/sys/signal knows them; RTMIN and RTMAX have offsets besides. */
const NAMES = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN ' +
    'TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
);

/** Whether STOPSIGNAL may name it: `SIGTERM`, `term`, `RTMIN+3`, `15`; zero is none. */
export function isSignal(text: string): boolean {
  if (/^[+-]?\d+$/.test(text)) return Number(text) !== 0 && Number.isSafeInteger(Number(text));
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (NAMES.has(name)) return true;
  const offset = /^RT(MIN\+|MAX-)(\d{1,2})$/.exec(name);
  return offset !== null && Number(offset[2]) >= 1 && Number(offset[2]) <= (offset[1] === 'MIN+' ? 15 : 14);
}
