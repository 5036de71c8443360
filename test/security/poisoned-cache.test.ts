import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { openContentStore } from '../../cache/content/file-content-store.ts';
import { openStore } from '../../cache/store.ts';
import { type Digest, isDigest } from '../../src/core/digest.ts';
import { build, type GivenRequest } from '../../src/library.ts';
import { makeImage, writeLayout } from '../rig/image.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

const EPOCH = 1_700_000_000;

let folder: string;
let context: string;
beforeEach(() => {
  folder = temporaryFolder('poisoned');
  context = `${folder}/context`;
  mkdirSync(context);
  for (const name of ['a', 'b']) writeFileSync(`${context}/${name}`, `of ${name}`);
});

/** The image's id, built on the store of this name. */
async function imageId(dockerfile: string, store: string, request: Partial<GivenRequest> = {}): Promise<string> {
  writeFileSync(`${context}/Dockerfile`, dockerfile);
  const outputs = [{ type: 'oci', dest: `${folder}/image.tar`, attributes: {} }] as const;
  const outcome = await build({ context, root: `${folder}/${store}`, epoch: EPOCH, outputs, ...request });
  return String(outcome.imageId);
}

const LINES = [
  'FROM scratch',
  'COPY --chmod=644 a /d/one',
  'COPY a b /d/',
  'WORKDIR /w',
  'ENV A=1 B=2',
  'ARG C=3',
  'USER 5:6',
  'EXPOSE 80/tcp',
  'VOLUME /v',
  'LABEL l=1',
  'STOPSIGNAL SIGINT',
  'HEALTHCHECK --interval=5s --retries=2 CMD ["true"]',
  'ONBUILD COPY a /on',
  'SHELL ["/bin/sh", "-c"]',
  'ENTRYPOINT ["/e"]',
  'CMD ["c"]',
];

/** Each with one sign more or less, or without a word. */
const MUTATIONS: readonly (readonly [string, string])[] = [
  ['--chmod=644', '--chmod=600'],
  ['--chmod=644', '--chown=1:2'],
  ['a /d/one', 'b /d/one'],
  ['a /d/one', 'a /d/two'],
  ['COPY a b /d/', 'COPY b /d/'],
  ['WORKDIR /w', 'WORKDIR /x'],
  ['A=1 B=2', 'A=1 B=3'],
  ['A=1 B=2', 'A=1'],
  ['USER 5:6', 'USER 5:7'],
  ['80/tcp', '80/udp'],
  ['VOLUME /v', 'VOLUME /w'],
  ['l=1', 'l=2'],
  ['SIGINT', 'SIGTERM'],
  ['interval=5s', 'interval=6s'],
  ['retries=2', 'retries=3'],
  ['CMD ["true"]', 'CMD ["false"]'],
  ['HEALTHCHECK --interval=5s --retries=2 CMD ["true"]', 'HEALTHCHECK NONE'],
  ['ONBUILD COPY a /on', 'ONBUILD COPY b /on'],
  ['ONBUILD COPY a /on\n', ''],
  ['"-c"]', '"-ec"]'],
  ['["/e"]', '["/f"]'],
  ['["c"]', '["d"]'],
  ['["c"]', 'c'],
];

describe('CVE-2024-24557: a cache', () => {
  it('is no other build’s: whatever changed, the image is as without it', async () => {
    const dockerfile = `${LINES.join('\n')}\n`;
    const seen = new Set([await imageId(dockerfile, 'warm')]);
    for (const [what, instead] of MUTATIONS) {
      expect(dockerfile.split(what)).toHaveLength(2);
      const mutated = dockerfile.replace(what, instead);
      const id = await imageId(mutated, 'warm');
      expect(seen.has(id), `${what} → ${instead}`).toBe(false);
      seen.add(id);
      expect(await imageId(mutated, 'cold', { noCache: true }), `${what} → ${instead}`).toBe(id);
    }
    expect(seen.size).toBe(MUTATIONS.length + 1);
    writeFileSync(`${context}/a`, 'of a!');
    expect(seen.has(await imageId(dockerfile, 'warm'))).toBe(false);
  });

  it('has nothing of an image that claims to have been built by the same instructions', async () => {
    const dockerfile = 'FROM scratch\nCOPY a /a\n';
    const honest = await imageId(dockerfile, 'honest');
    const image = makeImage({ layers: [[{ path: 'a', text: 'poison' }]], createdBy: 'COPY a /a # buildkit' });
    const layout = `${folder}/layout`;
    writeLayout(layout, { manifests: [image.manifest], images: [image] });
    const buildContexts = { poisoned: `oci-layout://${layout}` };
    await imageId('FROM poisoned\nCOPY a /b\n', 'victim', { buildContexts });
    await imageId('FROM poisoned AS p\nFROM scratch\nCOPY --from=p a /a\n', 'victim', { buildContexts });
    expect(await imageId(dockerfile, 'victim')).toBe(honest);
    expect(readFileSync(`${folder}/image.tar`).includes('poison')).toBe(false);
  });
});

describe('CVE-2024-3727, CVE-2026-33747: what is no digest', () => {
  const hex = 'a'.repeat(64);
  const bad = [
    ...['', 'sha256:', `sha256:${hex}/../x`, `sha256:../${hex.slice(3)}`, `sha256:${hex} `, `sha256:${hex}\n`],
    ...[
      `sha256:${hex.slice(1)}`,
      `sha256:${hex}a`,
      `sha256:${hex.toUpperCase()}`,
      `sha512:${hex}`,
      `SHA256:${hex}`,
      hex,
    ],
    ...[
      'sha256:../../../../etc/passwd',
      `sha256:${'/'.repeat(64)}`,
      `sha256:${'.'.repeat(64)}`,
      `sha256:${hex}\0`,
      '__proto__',
    ],
  ];

  it.each(bad)('is never a path: %j', (text) => {
    expect(isDigest(text)).toBe(false);
    const root = temporaryFolder('digests');
    using store = openStore(root);
    const content = openContentStore(store);
    expect(() => content.path(text as Digest)).toThrow('is no digest');
    expect(() => content.size(text as Digest)).toThrow('is no digest');
  });
});
