import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { build, evaluate, type GivenRequest, graph } from '../../src/library.ts';
import { temporaryFolder } from '../rig/temporary-folder.ts';

const CYCLE: unknown[] = [];
CYCLE.push(CYCLE);

/** What no type allows. Empty lists and texts are what the command line makes of options that are not there. */
const VALUES: readonly unknown[] = [
  null,
  0,
  -1,
  Number.NaN,
  2 ** 53,
  true,
  '\0',
  '__proto__',
  '../../../../etc/passwd',
  'x'.repeat(100_000),
  [null],
  [-1],
  ['\0'],
  [{}],
  [{ id: 'x' }],
  CYCLE,
  {},
  { __proto__: null, toString: null },
  { x: null },
  { '\0': '\0' },
  () => {},
  Symbol('x'),
];
const FIELDS: readonly (keyof GivenRequest)[] = [
  ...(['context', 'file', 'cwd', 'tags', 'target', 'buildArgs', 'buildContexts', 'labels', 'annotations'] as const),
  ...(['platforms', 'noCache', 'noCacheFilter', 'pull', 'outputs', 'secrets', 'ssh', 'network', 'addHosts'] as const),
  ...(['dns', 'caCertificates', 'allow', 'ulimits', 'shmSizeBytes', 'resources', 'cgroupParent', 'epoch'] as const),
  ...(['isolation', 'ociRuntime'] as const),
];

/** How each way in ends: it may be content or refuse, and does either. Whatever is thrown outside of it fails the test run. */
async function endings(request: GivenRequest): Promise<readonly string[]> {
  const ways = [() => graph(request), () => evaluate(request, 'outline'), () => build(request)];
  const said: string[] = [];
  for (const way of ways)
    said.push(
      await way().then(
        () => 'content',
        (error: unknown) => (error instanceof Error ? 'refused' : `threw ${String(error)}`),
      ),
    );
  return said;
}

it.each(FIELDS)('CVE-2024-23650: a request with nonsense as its %s ends, and nothing but that', async (field) => {
  const folder = temporaryFolder('malformed');
  const context = `${folder}/context`;
  mkdirSync(context);
  writeFileSync(`${context}/Dockerfile`, 'FROM scratch\nCOPY Dockerfile /\n');
  const outputs = [{ type: 'cacheonly', attributes: {} }] as const;
  const whole = { context, root: `${folder}/store`, cwd: folder, env: {}, outputs } as const;
  for (const value of VALUES) {
    const request = { ...whole, [field]: value } as unknown as GivenRequest;
    const said = await endings(request);
    expect(
      said.filter((ending) => ending !== 'content' && ending !== 'refused'),
      String(typeof value),
    ).toEqual([]);
  }
  expect(await endings(whole)).toEqual(['content', 'content', 'content']);
});
