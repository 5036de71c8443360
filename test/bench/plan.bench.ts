import { attemptConversion } from '../../frontend/convert/convert.ts';
import { fakeImages, requestFor } from '../rig/frontend.ts';
import { LARGE_DOCKERFILES } from '../rig/large-dockerfiles.ts';

/**
 * CPU seconds of reading, planning and converting large Dockerfiles, in a process that has just started:
 * `node test/bench/plan.bench.ts [NAME]`. Each is to take less than a second.
 */
const [wanted] = process.argv.slice(2);
for (const [name, write] of Object.entries(LARGE_DOCKERFILES)) {
  if (wanted !== undefined && name !== wanted) continue;
  const text = write(10_000);
  const before = process.cpuUsage();
  const conversion = await attemptConversion(requestFor(text), fakeImages(), new AbortController().signal);
  const { user, system } = process.cpuUsage(before);
  if ('error' in conversion) throw conversion.error;
  const lines = text.split('\n').length;
  console.log(`${((user + system) / 1e6).toFixed(2)} s  ${name} (${lines} lines)`);
}
