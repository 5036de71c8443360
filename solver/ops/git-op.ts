import { readdirSync, renameSync } from 'node:fs';
import type { GitRepositories, GitRevision } from '../../cache/git/git-source.ts';
import { type BytePath, hostPath, toBytePath } from '../../src/core/byte-path.ts';
import { digestOfJson } from '../../src/core/digest.ts';
import { withoutCredentials } from '../../src/core/fetch-url.ts';
import type { Op, OpContext } from '../solver.ts';
import type { GitOp } from '../vertex.ts';
import type { OpServices } from './services.ts';

/**
 * A checkout of a Git repository, as a layer that outlives the process. Keyed by the commit, which the server is asked for unless it is
 * given; with the ref where `.git` is kept, whose files tell it.
 */
export function createGitOp(op: GitOp, services: OpServices): Op {
  let revision: Promise<GitRevision> | undefined;
  const resolve = ({ signal }: OpContext) => {
    revision ??= services.git().then((git) => git.resolve(op, { signal }));
    return revision;
  };
  return {
    cacheMap: async (context) => {
      const { object, peeled, ref } = await resolve(context);
      const { keepGitDir, subdir, submodules, mtime } = op;
      const commit = keepGitDir ? object : (peeled ?? object);
      const kept = keepGitDir ? { ref } : undefined;
      return {
        digest: digestOfJson({ kind: 'git', commit, kept, subdir, submodules, mtime }),
        inputs: [],
        parts: [
          { name: 'url', value: withoutCredentials(op.url) },
          { name: 'commit', value: commit },
        ],
      };
    },
    exec: async (_inputs, context) => {
      const git = await services.git();
      const folder = await checkOut(git, op, await resolve(context), context);
      await using layer = await services.layers.prepare();
      moveChildren(toBytePath(folder), toBytePath(layer.upperDir));
      return [await layer.commit()];
    },
  };
}

function checkOut(git: GitRepositories, op: GitOp, revision: GitRevision, { signal, progress, stepId }: OpContext) {
  const onOutput = (data: Uint8Array) =>
    progress.emit({ type: 'step-output', at: Date.now(), id: stepId, stream: 'stderr', data });
  return git.checkOut(op, revision, { signal, onOutput });
}

/** Both are folders of the store, on one filesystem. */
function moveChildren(from: BytePath, to: BytePath): void {
  for (const name of readdirSync(hostPath(from), { encoding: 'latin1' })) {
    renameSync(hostPath(`${from}/${name}` as BytePath), hostPath(`${to}/${name}` as BytePath));
  }
}
