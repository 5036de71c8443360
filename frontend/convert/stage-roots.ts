import { type GitOp, type HttpOp, type Vertex, vertex } from '../../solver/vertex.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { withoutCredentials } from '../../src/core/fetch-url.ts';
import { parseGitReference } from '../../src/core/git-reference.ts';
import type { ImageConfig } from '../../src/core/image-config.ts';
import type { ResolvedImage } from '../../src/core/image-source.ts';
import { normalise, type Platform } from '../../src/core/platform.ts';
import type { FoundContext, StageBase } from '../stages/stage.ts';
import { gitOpOf } from './git-source.ts';
import { emptyImage } from './image-draft.ts';
import type { Root } from './stage-state.ts';

/** What a stage begins with. */
export interface StageStart {
  readonly root: Root;
  readonly image: ImageConfig;
  readonly platform: Platform;
}

const CONTEXT_FILE_MODE = 0o600;

/** The filesystem and config that a resolved base means. `name`: how progress calls the fetch of an image. */
export function startOf(base: StageBase, platform: Platform, name: (ref: string) => string): StageStart {
  switch (base.kind) {
    case 'scratch':
      return { root: 'scratch', image: emptyImage(platform), platform };
    case 'files':
      return { root: contextVertex(base.found), image: emptyImage(platform), platform };
    case 'definition':
      return { root: base.definition.root, image: base.definition.config, platform: base.definition.platform };
    case 'image': {
      const { image, contextName } = base;
      const shown = contextName === undefined ? name(pinned(image)) : `[context ${contextName}] ${image.ref}`;
      return { root: imageVertex(image, platform, shown), image: image.config, platform };
    }
    default:
      return base satisfies never;
  }
}

function pinned({ ref, root }: ResolvedImage): string {
  return ref.includes('@') ? ref : `${ref}@${root}`;
}

/** An image of no layers is scratch, whatever its config says. */
function imageVertex(image: ResolvedImage, platform: Platform, name: string): Root {
  const diffIds = image.config.rootfs.diff_ids;
  if (diffIds.length === 0) return 'scratch';
  if (diffIds.length !== image.layers.length)
    throw new Error(`internal: ${image.ref} has ${image.layers.length} layers and ${diffIds.length} diff ids`);
  const layers = image.layers.map((descriptor, index) => {
    const diffId = diffIds[index];
    if (diffId === undefined) throw new Error(`internal: layer ${index} of ${image.ref} has no diff id`);
    return { descriptor, diffId };
  });
  const { ref, manifest, from } = image;
  return vertex({ kind: 'image', ref, manifest, platform: normalise(platform), layers, from }, [], { name });
}

/** A filesystem that steps can build on: the files of a folder become a layer, owned by root. */
export function buildableRoot(root: Root): Root {
  if (root === 'scratch' || root.op.kind !== 'local') return root;
  return vertex(
    {
      kind: 'file',
      root: 'scratch',
      actions: [
        {
          action: 'copy',
          input: 0,
          source: '/',
          literal: true,
          destination: '/',
          unpack: false,
          parents: false,
          exclude: [],
          mustMatch: true,
          contentsOnly: true,
          written: root.op.name,
          link: true,
        },
      ],
    },
    [root],
    root.options,
  );
}

/** The files of a named context. */
function contextVertex({ name, context }: FoundContext): Vertex {
  if (context.kind === 'local')
    return vertex({ kind: 'local', name }, [], { name: `[context ${name}] load from client` });
  if (context.kind !== 'url' && context.kind !== 'git')
    throw new Error(`internal: context ${name} of kind ${context.kind} has no files`);
  const git = parseGitReference(context.url);
  if (git === undefined && context.kind === 'git')
    throw new SlipwayError(
      'SLIPWAY_CONTEXT_INVALID',
      `invalid git context ${name}: ${withoutCredentials(context.url)}`,
      {
        hint: 'write https://HOST/REPOSITORY.git#REF:FOLDER or git@HOST:REPOSITORY',
      },
    );
  const op: GitOp | HttpOp =
    git === undefined
      ? { kind: 'http', url: context.url, filename: 'context', mode: CONTEXT_FILE_MODE, uid: 0, gid: 0 }
      : gitOpOf(git);
  return vertex(op, [], { name: `[context ${name}] ${withoutCredentials(context.url)}` });
}
