import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLeases } from '../../cache/leases.ts';
import { isProcessIdentity, livenessOf, ownIdentity, type ProcessIdentity } from '../../cache/process-identity.ts';
import { openStore } from '../../cache/store.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/slipway-store-`);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** An identity that no process has any more: of one that was waited for. */
function deadIdentity(): ProcessIdentity {
  const { stdout } = spawnSync(process.execPath, [
    '-e',
    `import('${new URL('../../cache/process-identity.ts', import.meta.url).pathname}').then((m) => process.stdout.write(m.ownIdentity()))`,
  ]);
  const identity = stdout.toString();
  if (!isProcessIdentity(identity)) throw new Error(`no identity: ${identity}`);
  return identity;
}

describe('a store', () => {
  it('makes its folders when they are asked for, for nobody else', () => {
    const root = `${folder}/deep/store`;
    using store = openStore(root);
    expect(readdirSync(root).filter((name) => !name.startsWith('slipway.db'))).toEqual([]);
    const blobs = store.folder('blobs/sha256');
    expect(statSync(blobs).mode & 0o777).toBe(0o700);
    expect(statSync(root).mode & 0o777).toBe(0o700);
  });

  it('has files of its user’s own group, whatever group the folder around it gives', () => {
    if (process.geteuid?.() === 0) chownSync(folder, 0, 12_345);
    chmodSync(folder, 0o2775);
    using store = openStore(`${folder}/store`);
    const layer = store.temporaryPath();
    mkdirSync(layer);
    for (const path of [store.root, store.folder('tmp'), dirname(layer), layer]) {
      const { gid, mode } = statSync(path);
      expect([path, gid, mode & 0o2000]).toEqual([path, process.getegid?.(), 0]);
    }
  });

  it('keeps what is in it when it is opened again, by its own version', () => {
    {
      using store = openStore(folder);
      store.database.statement("INSERT INTO settings (name, value) VALUES ('a', 'b')").run();
    }
    using again = openStore(folder);
    expect(again.database.statement("SELECT value FROM settings WHERE name = 'a'").get()).toMatchObject({ value: 'b' });
  });

  it('refuses one that a newer slipway made, and does not touch it', () => {
    openStore(folder)[Symbol.dispose]();
    const newer = new DatabaseSync(`${folder}/slipway.db`);
    newer.exec('PRAGMA user_version = 999');
    newer.close();
    const before = readFileSync(`${folder}/slipway.db`);
    expect(() => openStore(folder)).toThrow(expect.objectContaining({ code: 'SLIPWAY_STORE_NEWER' }));
    expect(readFileSync(`${folder}/slipway.db`).equals(before)).toBe(true);
  });

  it('refuses a file that is no database, and does not touch it', () => {
    writeFileSync(`${folder}/slipway.db`, 'not a database, but long enough to be taken for one'.repeat(100));
    const before = readFileSync(`${folder}/slipway.db`);
    expect(() => openStore(folder)).toThrow(expect.objectContaining({ code: 'SLIPWAY_STORE_CORRUPT' }));
    expect(readFileSync(`${folder}/slipway.db`).equals(before)).toBe(true);
  });

  it('says that a root cannot be a folder', () => {
    writeFileSync(`${folder}/file`, '');
    expect(() => openStore(`${folder}/file/store`)).toThrow(expect.objectContaining({ code: 'SLIPWAY_STORE_DENIED' }));
  });

  it('rolls back a transaction that throws', () => {
    using store = openStore(folder);
    const insert = () => store.database.statement("INSERT INTO settings (name, value) VALUES ('a', 'b')").run();
    expect(() =>
      store.database.transaction(() => {
        insert();
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(store.database.statement('SELECT count(*) AS count FROM settings').get()).toMatchObject({ count: 0 });
  });

  it('is opened and written by many processes at once', async () => {
    const root = `${folder}/new`;
    const program = `
      const { openStore } = await import('${new URL('../../cache/store.ts', import.meta.url).pathname}');
      using store = openStore('${root}');
      for (let i = 0; i < 20; i++)
        store.database.transaction(() =>
          store.database.statement('INSERT INTO settings (name, value) VALUES (?, ?)').run(process.pid + ' ' + i, ''));
      store.temporaryPath();`;
    const codes = await Promise.all(
      Array.from({ length: 6 }, () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
        return new Promise((resolve) => child.on('exit', resolve));
      }),
    );
    expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
    using store = openStore(root);
    expect(store.database.statement('SELECT count(*) AS count FROM settings').get()).toMatchObject({ count: 120 });
  });
});

describe('temporary paths', () => {
  it('are new each time, and what is left there is gone when the store is disposed', () => {
    let path: string;
    {
      using store = openStore(folder);
      path = store.temporaryPath();
      expect(store.temporaryPath()).not.toBe(path);
      mkdirSync(`${path}/below`, { recursive: true });
    }
    expect(existsSync(path)).toBe(false);
  });

  it('of a dead process are removed by the next that writes, those of a living one and of another store object never', () => {
    using other = openStore(folder);
    const alive = other.temporaryPath();
    writeFileSync(alive, '');
    const dead = `${folder}/tmp/${deadIdentity()}.0123abcd`;
    mkdirSync(`${dead}/0`, { recursive: true });
    const unknown = `${folder}/tmp/what-is-this`;
    mkdirSync(unknown);
    using store = openStore(folder);
    store.temporaryPath();
    expect([existsSync(dead), existsSync(alive), existsSync(unknown)]).toEqual([false, true, true]);
  });

  it('are not looked at by a process that writes nothing', () => {
    const dead = `${folder}/tmp/${deadIdentity()}.0123abcd`;
    mkdirSync(dead, { recursive: true });
    openStore(folder)[Symbol.dispose]();
    expect(existsSync(dead)).toBe(true);
  });

  it('leave a young layer folder without a row alone: its process may be about to write the row', () => {
    mkdirSync(`${folder}/layers/abc`, { recursive: true });
    using store = openStore(folder);
    store.temporaryPath();
    expect(existsSync(`${folder}/layers/abc`)).toBe(true);
  });
});

describe('process identities', () => {
  it('tell the living from the dead, and one boot from another', () => {
    expect(livenessOf(ownIdentity())).toBe('alive');
    expect(livenessOf(deadIdentity())).toBe('dead');
    const parts = ownIdentity().split('-');
    expect(livenessOf([parts[0], '1', parts[2], parts[3]].join('-') as ProcessIdentity)).toBe('dead');
    expect(livenessOf([parts[0], parts[1], '0'.repeat(32), parts[3]].join('-') as ProcessIdentity)).toBe('dead');
    expect(livenessOf([parts[0], parts[1], parts[2], '1'].join('-') as ProcessIdentity)).toBe('unknown');
  });
});

describe('leases', () => {
  it('hold until they are disposed, in any process’s eyes', () => {
    using store = openStore(folder);
    using other = openStore(folder);
    const lease = openLeases(store.database).hold(['layer:aa', 'blob:bb']);
    expect(openLeases(other.database).held()).toEqual(new Set(['layer:aa', 'blob:bb']));
    lease[Symbol.dispose]();
    lease[Symbol.dispose]();
    expect(openLeases(other.database).held()).toEqual(new Set());
  });

  it('let shared holders be many, and an exclusive one be alone', () => {
    using store = openStore(folder);
    const leases = openLeases(store.database);
    const first = leases.tryHold('mount:a', 'shared');
    const second = leases.tryHold('mount:a', 'shared');
    expect([first === undefined, second === undefined]).toEqual([false, false]);
    expect(leases.tryHold('mount:a', 'exclusive')).toBeUndefined();
    expect(leases.tryHold('mount:b', 'exclusive')).toBeDefined();
    first?.[Symbol.dispose]();
    second?.[Symbol.dispose]();
    expect(leases.tryHold('mount:a', 'exclusive')).toBeDefined();
    expect(leases.tryHold('mount:a', 'shared')).toBeUndefined();
  });

  it('end with their process', () => {
    using store = openStore(folder);
    store.database
      .statement("INSERT INTO leases (process, resource, sharing, created_at) VALUES (?, 'mount:a', 'exclusive', ?)")
      .run(deadIdentity(), Date.now());
    const leases = openLeases(store.database);
    expect(leases.held()).toEqual(new Set());
    expect(leases.tryHold('mount:a', 'exclusive')).toBeDefined();
  });
});
