import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GitRig, openGitRig } from '../rig/git-repositories.ts';
import { type GitServer, startGitServer, type TestRepository } from '../rig/git-server.ts';
import { close, listen } from '../rig/local-server.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

let server: GitServer;
let rig: GitRig;
let repository: TestRepository;
/** What an attack would make. */
let pwned: string;

beforeEach(async () => {
  server = await startGitServer();
  rig = openGitRig();
  repository = server.repository('app');
  pwned = join(realpathSync(temporaryFolder('pwned')), 'pwned');
});

afterEach(async () => {
  expect(existsSync(pwned)).toBe(false);
  rig[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

test('CVE-2026-33748: a folder of a repository is not reached over a symlink, nor outside of it', async () => {
  repository.commit({ link: { symlink: '/' }, 'a/up': { symlink: '../..' }, inside: { symlink: 'a' }, file: '' });
  const above = ['../../etc', 'a/../../etc'];
  for (const subdir of ['link', 'link/etc', 'a/up/etc', 'inside', 'file', '.git', 'a\0b', ...above]) {
    await expect(rig.checkOut({ url: repository.url, subdir }), subdir).rejects.toMatchObject({
      code: 'SLIPWAY_GIT_SUBDIR_INVALID',
    });
  }
  await expect(rig.checkOut({ url: repository.url, subdir: '.git', keepGitDir: true })).rejects.toMatchObject({
    code: 'SLIPWAY_GIT_SUBDIR_INVALID',
  });
});

describe('CVE-2019-13139: a ref or URL that the user wrote', () => {
  test.each([
    '--upload-pack=touch x',
    '-u',
    'main:refs/heads/other',
    'main^{/x}',
    '../../HEAD',
    'refs/heads/*',
    'a b',
    'a\nb',
    '@{-1}',
    'x.lock',
    '',
  ])('never becomes an option or a refspec of git: ref %j', async (ref) => {
    await expect(rig.checkOut({ url: repository.url, ref })).rejects.toMatchObject({ code: 'SLIPWAY_GIT_REF_INVALID' });
    expect(server.requests).toEqual([]);
  });

  test.each([
    () => `ext::sh -c touch% ${pwned}`,
    () => `file://${repository.bare}`,
    () => repository.bare,
    () => `--upload-pack=touch ${pwned}`,
    () => `ssh://-oProxyCommand=touch%20${encodeURIComponent(pwned)}/x`,
    () => `ssh://-oProxyCommand=x@host/x`,
    () => '-oProxyCommand=x@host:path',
    () => 'git@-oProxyCommand=x:path',
    () => 'git@host:-oProxyCommand=x',
    () => 'ftp://127.0.0.1/x.git',
  ])('is refused where its protocol or host is none of ours (case %#)', async (url) => {
    await expect(rig.checkOut({ url: url() })).rejects.toMatchObject({ code: 'SLIPWAY_GIT_URL_INVALID' });
  });
});

describe('refs that a hostile server advertises (BuildKit f83dedd)', () => {
  test.each([
    () => `refs/heads/--upload-pack=touch ${pwned}`,
    () => '--upload-pack=x',
    () => 'refs/heads/../../x',
    () => 'refs/heads/-x',
  ])('are refused as the default branch (case %#)', async (name) => {
    const advertised = name();
    await using hostile = await advertising([`ref: ${advertised}`]);
    await expect(rig.checkOut({ url: hostile.url })).rejects.toMatchObject({
      code: expect.stringMatching(/^SLIPWAY_GIT_(REF_INVALID|FAILED|REF_UNKNOWN)$/),
    });
  });

  test('end as an error where the server’s list has no end', async () => {
    await using hostile = await advertising([], 'endless');
    const stop = new AbortController();
    const source = { url: hostile.url, keepGitDir: false, submodules: true };
    setTimeout(() => stop.abort(new Error('stopped')), 1000);
    await expect(rig.git.resolve(source, { signal: stop.signal })).rejects.toThrow();
  });
});

/** A server that answers with refs of protocol version 0, HEAD a symref as said. */
async function advertising(symrefs: readonly string[], end: 'ends' | 'endless' = 'ends') {
  const packet = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
  const object = 'a'.repeat(40);
  const fake = createServer((request, response) => {
    response.setHeader('content-type', 'application/x-git-upload-pack-advertisement');
    const capabilities = symrefs.map((symref) => ` symref=HEAD:${symref.slice('ref: '.length)}`).join('');
    response.write(`${packet('# service=git-upload-pack\n')}0000${packet(`${object} HEAD\0${capabilities}\n`)}`);
    if (end === 'ends') response.end(`${packet(`${object} refs/heads/main\n`)}0000`);
    else {
      const timer = setInterval(() => response.write(packet(`${object} refs/heads/${Math.random()}\n`)), 1);
      request.on('close', () => clearInterval(timer));
    }
  });
  const url = `http://127.0.0.1:${await listen(fake)}/x.git`;
  return { url, [Symbol.asyncDispose]: () => close(fake) };
}

describe('CVE-2022-39253 and CVE-2018-11235: what a repository brings along', () => {
  test('are no submodules from files of this machine, by URL or path', async () => {
    const secret = server.repository('secret');
    secret.commit({ secret: '' });
    for (const url of [`file://${secret.bare}`, secret.bare, `ext::sh -c "touch ${pwned}"`]) {
      const evil = server.repository(`evil-${url.length}`);
      evil.commit({ a: '' });
      evil.addSubmodule('sub', secret, url);
      evil.commit({});
      await expect(rig.checkOut({ url: evil.url })).rejects.toMatchObject({ code: 'SLIPWAY_GIT_FAILED' });
    }
  });

  test('is no submodule with an option for a URL or a path, nor a command to update it', async () => {
    const other = server.repository('other');
    other.commit({ b: '' });
    const withModules = (name: string, text: string) => {
      const evil = server.repository(name);
      evil.addSubmodule('sub', other, other.url);
      evil.commit({ '.gitmodules': text });
      return evil.url;
    };
    const module = `[submodule "sub"]\n\tpath = sub\n\turl = `;
    const option = withModules('e1', `${module}--upload-pack=touch ${pwned}\n`);
    await expect(rig.checkOut({ url: option })).rejects.toMatchObject({ code: 'SLIPWAY_GIT_FAILED' });
    const url = withModules('e2', `${module}${other.url}\n\tupdate = !touch ${pwned}\n`);
    await rig.checkOut({ url }).catch(() => {});
    const escaping = withModules('e3', `[submodule "../../x"]\n\tpath = sub\n\turl = ${other.url}\n`);
    await rig.checkOut({ url: escaping }).catch(() => {});
    expect(readdirSync(rig.store.root)).not.toContain('x');
  });

  test('are no hooks, filters or configuration that would run something', async () => {
    repository.commit({
      '.gitattributes': '* filter=evil diff=evil\n',
      '.gitconfig': `[filter "evil"]\n\tsmudge = touch ${pwned}\n[core]\n\tfsmonitor = touch ${pwned}\n`,
      'hooks/post-checkout': { program: `#!/bin/sh\ntouch ${pwned}\n` },
      '.lfsconfig': '[lfs]\n\turl = http://127.0.0.1:1/\n',
    });
    for (const keepGitDir of [true, false]) {
      const folder = await rig.checkOut({ url: repository.url, keepGitDir });
      expect(readdirSync(folder)).toContain('hooks');
    }
  });

  test('nor does the configuration of the machine count, or of a repository that the store lies in', async () => {
    repository.commit({ a: '' });
    const home = mkdtempSync(join(tmpdir(), 'slipway-home-'));
    const redirect = `[url "http://127.0.0.1:1/"]\n\tinsteadOf = ${server.origin}/\n[core]\n\thooksPath = ${home}\n`;
    writeFileSync(join(home, '.gitconfig'), redirect);
    writeFileSync(join(home, 'post-checkout'), `#!/bin/sh\ntouch ${pwned}\n`, { mode: 0o755 });
    mkdirSync(join(rig.store.root, '../.git/objects'), { recursive: true });
    mkdirSync(join(rig.store.root, '../.git/refs'));
    writeFileSync(join(rig.store.root, '../.git/HEAD'), 'ref: refs/heads/main\n');
    writeFileSync(join(rig.store.root, '../.git/config'), redirect);
    const before = process.env.HOME;
    process.env.HOME = home;
    try {
      expect(readdirSync(await rig.checkOut({ url: repository.url }))).toEqual(['a']);
    } finally {
      process.env.HOME = before;
      rmSync(home, { recursive: true });
    }
  });
});

describe('CVE-2023-26054: credentials', () => {
  const CANARY = 'canary-4711';
  const BASE64 = Buffer.from(`x-access-token:${CANARY}`).toString('base64');

  test.each([
    ['of the URL', {}, (url: string) => url.replace('://', `://user:${CANARY}@`)],
    ['of a secret', { GIT_AUTH_TOKEN: CANARY }, (url: string) => url],
  ])('%s are in no file and no argument of git', async (_name, secrets, change) => {
    repository.commit({ a: '' });
    const seen: string[] = [];
    server.intercept = () => {
      seen.push(...commandLines());
      return false;
    };
    using own = openGitRig(secrets);
    const folder = await own.checkOut({ url: change(repository.url), keepGitDir: true });
    expect(server.requests[0]?.headers.authorization).toMatch(/^Basic /);
    expect(seen.join('\n')).toContain('ls-remote');
    for (const canary of [CANARY, BASE64, Buffer.from(`user:${CANARY}`).toString('base64')]) {
      expect(seen.join('\n')).not.toContain(canary);
      expect(filesWith(own.store.root, canary)).toEqual([]);
      expect(filesWith(folder, canary)).toEqual([]);
    }
  });

  test('do not follow a redirect to another host', async () => {
    repository.commit({ a: '' });
    const stolen: (string | undefined)[] = [];
    const thief = createServer((request, response) => {
      stolen.push(request.headers.authorization);
      response.writeHead(404).end();
    });
    const port = await listen(thief);
    server.intercept = ({ url }, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${port}${url}` }).end();
      return true;
    };
    using own = openGitRig({ GIT_AUTH_TOKEN: CANARY });
    await expect(own.checkOut({ url: repository.url })).rejects.toMatchObject({ code: 'SLIPWAY_GIT_FAILED' });
    expect(stolen.filter((header) => header !== undefined)).toEqual([]);
    await close(thief);
  });

  test('are not shown where fetching fails', async () => {
    const url = `http://user:${CANARY}@127.0.0.1:1/x.git`;
    const error = await rig.checkOut({ url }).catch((caught: unknown) => caught);
    expect(JSON.stringify([error, String(error)])).not.toContain(CANARY);
  });
});

/** The arguments of all processes of git. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes('git') ? [line] : [];
      } catch {
        return [];
      }
    });
}

function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => readFileSync(path).includes(text));
}
