import { expect, it } from 'vitest';
import { describeForEachUser } from '../rig/each-user.ts';
import { baseImages, openRig } from '../rig/slipway.ts';

const DOCKERFILE = `FROM busybox AS build
WORKDIR /src

RUN echo preparing && \\
    echo compiling && \\
    echo "main.c:1: broken" >&2 && exit 3
COPY . .
FROM busybox
COPY --from=build /src /src
`;

const REPORT = `error: "/bin/sh -c echo preparing &&     echo compiling &&     echo "main.c:1: broken" >&2 && exit 3" exited with code 3 [SLIPWAY_RUN_FAILED]
Dockerfile:4
     2 | WORKDIR /src
     3 |
>>   4 | RUN echo preparing && \\
>>   5 |     echo compiling && \\
>>   6 |     echo "main.c:1: broken" >&2 && exit 3
     7 | COPY . .
     8 | FROM busybox
  preparing
  compiling
  main.c:1: broken
`;

describeForEachUser('a failed RUN', (who) => {
  it('is reported with its lines of the Dockerfile, its exit code and the end of its output', async () => {
    using rig = openRig(who);
    const { status, stderr } = await rig.run([
      'build',
      '--progress=quiet',
      ...baseImages(),
      rig.context({ Dockerfile: DOCKERFILE }),
    ]);
    expect(stderr).toBe(`${REPORT}hint: slipway shell --root ${rig.store} @last opens a shell where it failed\n`);
    expect(status).toBe(1);
  });
});
