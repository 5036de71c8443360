import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { close, listen } from './local-server.ts';

/** What a test writes into a commit: a text, a program, or a symlink. */
export type CommittedFile = string | { readonly program: string } | { readonly symlink: string };

/** A bare repository on the server, and the work tree that a test commits in. */
export interface TestRepository {
  readonly url: string;
  readonly bare: string;
  /** Runs git in the work tree; returns what it printed. */
  git(...args: readonly string[]): string;
  /** Makes another repository a submodule in a folder, with the URL as .gitmodules is to have it; commit what it stages. */
  addSubmodule(folder: string, of: TestRepository, url: string): void;
  /** Writes the files, commits them with the given time and pushes; returns the commit. */
  commit(files: Readonly<Record<string, CommittedFile>>, seconds?: number): string;
}

/** Git over http on this machine, by git's own `http-backend`. */
export interface GitServer extends AsyncDisposable {
  readonly origin: string;
  /** Method, path and headers of what was asked. */
  readonly requests: readonly IncomingMessage[];
  /** Answers before git does, where it returns true. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  repository(name: string): TestRepository;
}

const ENVIRONMENT = {
  PATH: process.env.PATH ?? '',
  HOME: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
};

/** Starts a server without repositories. */
export async function startGitServer(): Promise<GitServer> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-git-'));
  const requests: IncomingMessage[] = [];
  const running = new Set<ChildProcess>();
  const rig = { intercept: (_request: IncomingMessage, _response: ServerResponse) => false };
  const server = createServer((request, response) => {
    requests.push(request);
    if (!rig.intercept(request, response)) running.add(runBackend(folder, request, response));
  });
  const origin = `http://127.0.0.1:${await listen(server)}`;
  return Object.assign(rig, {
    origin,
    requests,
    repository: (name: string) => createRepository(folder, name, `${origin}/${name}.git`),
    async [Symbol.asyncDispose]() {
      for (const child of running) child.kill();
      await close(server);
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

/** One request as a CGI program answers it (RFC 3875). */
function runBackend(folder: string, request: IncomingMessage, response: ServerResponse): ChildProcess {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const child = spawn('git', ['http-backend'], {
    env: {
      ...ENVIRONMENT,
      GIT_PROJECT_ROOT: join(folder, 'served'),
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method ?? 'GET',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('close', () => {
    const output = Buffer.concat(chunks);
    const end = output.indexOf('\r\n\r\n');
    for (const line of output.subarray(0, end).toString().split('\r\n')) {
      const [name = '', value = ''] = line.split(/: (.*)/s, 2);
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(output.subarray(end + 4));
  });
  return child;
}

function createRepository(folder: string, name: string, url: string): TestRepository {
  const bare = join(folder, 'served', `${name}.git`);
  const work = join(folder, 'work', name);
  mkdirSync(work, { recursive: true });
  mkdirSync(bare, { recursive: true });
  const run = (cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    execFileSync('git', args, {
      cwd,
      env: { ...ENVIRONMENT, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
    })
      .toString()
      .trim();
  run(bare, ['init', '--quiet', '--bare', '--initial-branch=main', '.']);
  run(work, ['init', '--quiet', '--initial-branch=main', '.']);
  run(work, ['remote', 'add', 'origin', bare]);
  return {
    url,
    bare,
    git: (...args) => run(work, args),
    addSubmodule(path, of, url) {
      // Over files: the server runs in this process, which waits for git.
      run(work, ['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', of.bare, path]);
      run(work, ['config', '--file', '.gitmodules', `submodule.${path}.url`, url]);
    },
    commit(files, seconds = 1_600_000_000) {
      for (const [path, file] of Object.entries(files)) writeCommitted(join(work, path), file);
      const time = `${seconds} +0000`;
      run(work, ['add', '--all']);
      run(work, ['commit', '--quiet', '-m', 'commit'], { GIT_AUTHOR_DATE: time, GIT_COMMITTER_DATE: time });
      run(work, ['push', '--quiet', '--force', 'origin', 'HEAD']);
      return run(work, ['rev-parse', 'HEAD']);
    },
  };
}

function writeCommitted(path: string, file: CommittedFile): void {
  mkdirSync(dirname(path), { recursive: true });
  if (typeof file === 'string') writeFileSync(path, file);
  else if ('symlink' in file) symlinkSync(file.symlink, path);
  else {
    writeFileSync(path, file.program);
    chmodSync(path, 0o755);
  }
}
