import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { availableRungs, BUSYBOX, newFolder, rigCommand } from './rig/rungs.ts';

const SESSION = fileURLToPath(new URL('../rig/terminal-session.py', import.meta.url));

describe.each(availableRungs())('$name', (rung) => {
  it('gives a user a shell in a terminal of its own, whose Ctrl-C and size are those of the user', {
    timeout: 90_000,
  }, () => {
    using folder = newFolder(rung);
    const typed = [
      ['in-the-shell>', 'tty; stty size; id -u; echo first-$((1+1))\r'],
      ['first-2\r', 'SIZE 50 120'],
      ['in-the-shell>', 'stty size; sh -c "echo started-$((1+1)); exec sleep 50"; echo after-$?\r'],
      ['started-2\r', '\u0003'],
      ['in-the-shell>', 'exit 7\r'],
    ];
    const shell = rigCommand(rung, 'terminal-shell.ts', [folder.path, rung.runtime, BUSYBOX ?? '']);
    const { stdout, status } = spawnSync('python3', [SESSION, JSON.stringify(typed), ...shell], {
      encoding: 'utf8',
      timeout: 80_000,
    });
    expect({ status, stdout }).toMatchObject({ status: 0 });
    expect(stdout).toMatch(/\/dev\/(pts\/0|console)\r\n40 100\r\n1000\r\n/);
    // Job control: Ctrl-C ends the shell's child, and neither the shell nor slipway.
    expect(stdout).toMatch(/50 120\r\n/);
    expect(stdout).not.toMatch(/after-0/);
    expect(stdout).toMatch(/status 7 cooked\n$/);
  });
});
