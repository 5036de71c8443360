import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GitRepositories, GitSource } from '../../cache/git/git-source.ts';
import { openGitRepositories } from '../../cache/git/open-git-repositories.ts';
import { openLeases } from '../../cache/leases.ts';
import { openStore, type Store } from '../../cache/store.ts';

/** Repositories in a store of their own. */
export interface GitRig extends Disposable {
  readonly store: Store;
  readonly git: GitRepositories;
  /** Resolves and checks out; the folder. */
  checkOut(source: Partial<GitSource> & { readonly url: string }): Promise<string>;
}

/** A source as the frontend makes it, of which a test says what matters. */
export function gitSource(source: Partial<GitSource> & { readonly url: string }): GitSource {
  return { keepGitDir: false, submodules: true, ...source };
}

export function openGitRig(secrets: Readonly<Record<string, string>> = {}): GitRig {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-git-store-'));
  const store = openStore(join(folder, 'store'));
  const git = openGitRepositories({
    store,
    leases: openLeases(store.database),
    env: { PATH: process.env.PATH },
    secret: (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
    sshAgent: async () => undefined,
  });
  const { signal } = new AbortController();
  return {
    store,
    git,
    async checkOut(given) {
      const source = gitSource(given);
      return git.checkOut(source, await git.resolve(source, { signal }), { signal });
    },
    [Symbol.dispose]: () => {
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
