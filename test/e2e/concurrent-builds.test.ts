import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { validateImage } from '../../src/image/validate.ts';
import { describeForEachUser } from '../rig/each-user.ts';
import { openRig } from '../rig/slipway.ts';

const dockerfile = (name: string) => `FROM busybox
WORKDIR /app
COPY shared .
RUN cat shared > both && sleep 0.3
RUN --mount=type=cache,target=/cache echo ${name} >> /cache/names && echo ${name} > own && sleep 0.2
`;

describeForEachUser('builds at the same time on one store', (who) => {
  it('give one and the same image when they are the same', async () => {
    using rig = openRig(who);
    const context = rig.context({ Dockerfile: dockerfile('same'), shared: 'shared' });
    const outputs = [1, 2, 3].map((at) => `${rig.folder}/${at}.tar`);
    const args = ['--build-arg', 'SOURCE_DATE_EPOCH=1700000000', context];
    await Promise.all(outputs.map((path) => rig.build(['-t', 'same', '-o', `type=oci,dest=${path}`, ...args])));
    const [first, ...others] = outputs.map((path) => readFileSync(path));
    for (const other of others) expect(other.equals(first ?? Buffer.alloc(0))).toBe(true);
    expect(await validateImage(outputs[0] ?? '')).toEqual([]);
  });

  it('give each its own image when they differ', async () => {
    using rig = openRig(who);
    const names = ['one', 'two', 'three'];
    await Promise.all(
      names.map((name) => {
        const context = rig.context({ Dockerfile: dockerfile(name), shared: 'shared' });
        const outputs = [
          '-o',
          `type=local,dest=${rig.folder}/${name}`,
          '-o',
          `type=oci,dest=${rig.folder}/${name}.tar`,
        ];
        return rig.build([...outputs, context]);
      }),
    );
    for (const name of names) {
      expect(readFileSync(`${rig.folder}/${name}/app/own`, 'utf8')).toBe(`${name}\n`);
      expect(readFileSync(`${rig.folder}/${name}/app/both`, 'utf8')).toBe('shared');
      expect(await validateImage(`${rig.folder}/${name}.tar`)).toEqual([]);
    }
  });
});
