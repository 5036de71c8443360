import { expect, it } from 'vitest';
import { describeForEachUser } from '../rig/each-user.ts';
import { openRig } from '../rig/slipway.ts';

describeForEachUser('slipway images', (who) => {
  it('lists what is named in the store, and removes a name', async () => {
    using rig = openRig(who);
    await rig.build(['-t', 'app:1', '-t', 'example.com/app', rig.context({ Dockerfile: 'FROM busybox\nRUN true\n' })]);
    const list = async () => JSON.parse((await rig.run(['images', '--format=json'])).stdout.toString());
    const [first, second] = await list();
    expect(first).toMatchObject({ reference: 'app:1', digest: second.digest, bytes: expect.any(Number) });
    expect(second.reference).toBe('example.com/app:latest');
    const table = (await rig.run(['images'])).stdout.toString().split('\n');
    expect(table[0]).toMatch(/^IMAGE +DIGEST +SIZE +CREATED$/);
    expect(table[1]).toContain(first.digest.slice(0, 19));

    expect(await rig.run(['images', 'rm', 'app:1'])).toMatchObject({ status: 0, stderr: '' });
    expect(await list()).toHaveLength(1);
    const again = await rig.run(['images', 'rm', 'app:1']);
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining('SLIPWAY_IMAGE_UNKNOWN') });
    expect(await rig.run(['images', 'rm'])).toMatchObject({ status: 2 });
  });
});
