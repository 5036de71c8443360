import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { containerSyscalls } from '../../src/executor/container-syscalls.ts';
import { spawnProcess, spawnWatched } from '../../src/executor/spawn-process.ts';

/** What a shell command prints and how it ends. */
async function run(
  command: string,
  options: { readonly env?: Record<string, string>; session?: 'own' | 'shared' } = {},
) {
  const { pipe } = containerSyscalls();
  const output = pipe();
  const stdin = openSync('/dev/null', 'r');
  const descriptors = [stdin, output.write, output.write];
  const child = spawnWatched(['/bin/sh', '-c', command], { session: 'own', ...options, descriptors });
  for (const fd of [stdin, output.write]) closeSync(fd);
  const status = await child.ended;
  const text = readFileSync(output.read, 'utf8');
  closeSync(output.read);
  return { status, text };
}

describe('a spawned process', () => {
  it.each([
    ['exit 0', 0],
    ['exit 7', 7],
    ['kill -KILL $$', 137],
    ['kill -TERM $$', 143],
  ])('has the status of "%s"', async (command, status) => {
    expect((await run(command)).status).toBe(status);
  });

  it('has no environment but PATH and what it is given, and the folder /', async () => {
    expect(await run('env | grep -v ^_= | sort; pwd', { env: { A: 'b' } })).toEqual({
      status: 0,
      text: 'A=b\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n/\n',
    });
  });

  it('ignores no signal, although this process does', async () => {
    const { text } = await run('grep -E "Sig(Ign|Blk)" /proc/self/status');
    expect(text.match(/[0-9a-f]{16}/g)).toEqual(['0000000000000000', '0000000000000000']);
  });

  it('is the first of a session of its own, or in that of this process', async () => {
    const session = 'echo $(($(cut -d" " -f6 /proc/$$/stat) == $$))';
    expect((await run(session)).text).toBe('1\n');
    expect((await run(session, { session: 'shared' })).text).toBe('0\n');
  });

  it('has the descriptors that it is given, in any order', async () => {
    const output = containerSyscalls().pipe();
    // 2, 1 and 0 come after the descriptors of these numbers have been replaced.
    const descriptors = [output.write, output.write, output.write, 2, 1, 0];
    const list = 'for fd in 0 1 2 3 4 5 6; do readlink /proc/$$/fd/$fd; done';
    const child = spawnWatched(['/bin/sh', '-c', list], { descriptors, session: 'own' });
    const place = (fd: number) => readlinkSync(`/proc/self/fd/${fd}`);
    const expected = descriptors.map(place);
    closeSync(output.write);
    expect(await child.ended).toBe(0);
    const found = readFileSync(output.read, 'utf8').trim().split('\n');
    // The last one is by which its end is noticed.
    expect(found).toEqual([...expected, expect.stringMatching(/^pipe:/)]);
    closeSync(output.read);
  });

  it('tells whether it has ended, and is not killed afterwards', () => {
    const child = spawnProcess(['/bin/sleep', '600'], { descriptors: [], session: 'own' });
    expect(child.status()).toBeUndefined();
    child.kill('SIGKILL');
    expect(child.wait()).toBe(137);
    expect(child.status()).toBe(137);
    child.kill('SIGKILL');
  });

  it('that cannot be started is an error with its errno', () => {
    expect(() => spawnProcess(['/nowhere/tool'], { descriptors: [], session: 'own' })).toThrow(
      expect.objectContaining({ code: 'ENOENT', message: expect.stringContaining('/nowhere/tool') }),
    );
  });
});
