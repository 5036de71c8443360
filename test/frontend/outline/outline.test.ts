import { expect, test } from 'vitest';
import { formatOutline, formatTargets } from '../../../frontend/outline/format.ts';
import { outlineDockerfile } from '../../../frontend/outline/outline.ts';
import { listTargets } from '../../../frontend/outline/targets.ts';
import { fakeImages, requestFor } from '../../rig/frontend.ts';

const TEXT = `# an unrelated comment
ARG inherited=box
ARG suffix=-\${inherited}
ARG unused=abc
# sfx is a suffix
ARG sfx="busy\${inherited}"

FROM --platform=$BUILDPLATFORM \${sfx} AS base
# this is a bar
ARG BAR
# bar is the second
ARG bar=second
RUN --mount=type=secret,target=/x,id=second,required --mount=type=secret,target=/y,id=third true

# second defines the target
FROM base AS second
ARG inherited
ARG TARGETARCH
RUN --mount=type=ssh --mount=type=ssh,id=ssh2,required true

FROM scratch AS other
ARG nothing
`;

test('an outline has what the target and the stages below it use, and nothing else', async () => {
  const request = requestFor(TEXT, { target: 'second', buildArgs: { bar: 'given' } });
  const outline = await outlineDockerfile(request, fakeImages(), new AbortController().signal);
  expect(outline).toEqual({
    warnings: [],
    name: 'second',
    description: 'defines the target',
    args: [
      { name: 'inherited', value: 'box', line: 2 },
      { name: 'sfx', value: 'busybox', description: 'is a suffix', line: 6 },
      { name: 'BAR', line: 10 },
      { name: 'bar', value: 'given', description: 'is the second', line: 12 },
    ],
    secrets: [
      { name: 'second', required: true, line: 13 },
      { name: 'third', required: false, line: 13 },
    ],
    ssh: [
      { name: 'default', required: false, line: 19 },
      { name: 'ssh2', required: true, line: 19 },
    ],
  });
  expect(formatOutline(outline)).toBe(
    [
      'TARGET:      second',
      'DESCRIPTION: defines the target',
      '',
      'BUILD ARG   VALUE     DESCRIPTION',
      'inherited   box       ',
      'sfx         busybox   is a suffix',
      'BAR                   ',
      'bar         given     is the second',
      '',
      'SECRET   REQUIRED',
      'second   true',
      'third    ',
      '',
      'SSH       REQUIRED',
      'default   ',
      'ssh2      true',
      '',
      '',
    ].join('\n'),
  );
});

test('targets are listed as written, the last one as the default', () => {
  const targets = listTargets({ name: 'Dockerfile', text: TEXT });
  expect(targets).toEqual([
    { name: 'base', isDefault: false, base: '${sfx}', platform: '$BUILDPLATFORM', line: 8 },
    { name: 'second', description: 'defines the target', isDefault: false, base: 'base', line: 16 },
    { name: 'other', isDefault: true, base: 'scratch', line: 21 },
  ]);
  expect(formatTargets(targets)).toBe(
    [
      'TARGET          DESCRIPTION',
      'base            ',
      'second          defines the target',
      'other (default) ',
      '',
    ].join('\n'),
  );
});
