import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { validateImage } from '../../src/image/validate.ts';
import { describeForEachUser } from '../rig/each-user.ts';
import { runTool } from '../rig/run-tool.ts';
import { openRig, type SlipwayRig } from '../rig/slipway.ts';

const FILES = { Dockerfile: 'FROM busybox AS base\nRUN echo base > /file\nFROM base\nRUN echo last > /file\n' };

describeForEachUser('a build', (who) => {
  it('writes several outputs at once', async () => {
    using rig = openRig(who);
    const [oci, docker, tar, files] = ['oci.tar', 'docker.tar', 'files.tar', 'files'].map(
      (name) => `${rig.folder}/${name}`,
    );
    const outputs = [
      `type=oci,dest=${oci}`,
      `type=docker,dest=${docker}`,
      `type=tar,dest=${tar}`,
      `type=local,dest=${files}`,
    ];
    await rig.build(['-t', 'app', ...outputs.flatMap((output) => ['-o', output]), rig.context(FILES)]);
    expect(await validateImage(`${oci}`)).toEqual([]);
    expect(await validateImage(`${docker}`)).toEqual([]);
    expect(runTool('tar', '-xOf', `${tar}`, 'file')).toBe('last\n');
    expect(readFileSync(`${files}/file`, 'utf8')).toBe('last\n');
  });

  it('writes an archive to standard output with dest=-, and nothing else there', async () => {
    using rig = openRig(who);
    const { stdout } = await rig.build(['-o', 'type=oci,dest=-', rig.context(FILES)]);
    writeFileSync(`${rig.folder}/piped.tar`, stdout);
    expect(await validateImage(`${rig.folder}/piped.tar`)).toEqual([]);
  });

  it('tells the image id by -q, --iidfile and --metadata-file', async () => {
    using rig = openRig(who);
    const [iid, metadata, image] = ['iid', 'metadata.json', 'image.tar'].map((name) => `${rig.folder}/${name}`);
    const files = ['--iidfile', `${iid}`, '--metadata-file', `${metadata}`, '-o', `type=oci,dest=${image}`];
    const { stdout } = await rig.run([
      'build',
      '-q',
      ...files,
      '-t',
      'app',
      rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' }),
    ]);
    const id = stdout.toString().trim();
    expect(readFileSync(`${iid}`, 'utf8')).toBe(id);
    const told = JSON.parse(readFileSync(`${metadata}`, 'utf8')) as Record<string, unknown>;
    expect(told['containerimage.config.digest']).toBe(id);
    const index = JSON.parse(runTool('tar', '-xOf', `${image}`, 'index.json')) as { manifests: { digest: string }[] };
    expect(told['containerimage.digest']).toBe(index.manifests[0]?.digest);
    expect(runTool('tar', '-tf', `${image}`)).toContain(id.replace('sha256:', ''));
  });

  it('stops at the stage of --target', async () => {
    using rig = openRig(who);
    await rig.build(['--target=base', '-o', `type=local,dest=${rig.folder}/files`, rig.context(FILES)]);
    expect(readFileSync(`${rig.folder}/files/file`, 'utf8')).toBe('base\n');
  });

  it('belongs to who built it', async () => {
    using rig = openRig(who);
    const [image, files] = [`${rig.folder}/image.tar`, `${rig.folder}/files`];
    await rig.build(['-o', `type=oci,dest=${image}`, '-o', `type=local,dest=${files}`, rig.context(FILES)]);
    const { uid } = statSync(`${rig.folder}/home`);
    expect([image, files, `${files}/file`].map((path) => statSync(path).uid)).toEqual([uid, uid, uid]);
  });

  it('leaves the output of before where it fails', async () => {
    using rig = openRig(who);
    const image = `${rig.folder}/image.tar`;
    await rig.build(['-o', `type=oci,dest=${image}`, rig.context(FILES)]);
    const before = readFileSync(image);
    const { status } = await failing(rig, ['-o', `type=oci,dest=${image}`]);
    expect(status).toBe(1);
    expect(readFileSync(image).equals(before)).toBe(true);
  });

  it('makes an image that FROM finds by its tag, and that an OCI layout brings elsewhere', async () => {
    using rig = openRig(who);
    await rig.build(['-t', 'company/base:2', '-o', 'type=image', rig.context(FILES)]);
    const child = rig.context({ Dockerfile: 'FROM company/base:2\nRUN cat /file > /copy\n' });
    const layout = `${rig.folder}/layout`;
    await rig.build(['-o', `type=oci,tar=false,dest=${layout}`, child]);
    expect(await validateImage(layout)).toEqual([]);
    using elsewhere = openRig(who);
    const grandchild = elsewhere.context({ Dockerfile: 'FROM brought\nRUN cat /copy > /again\n' });
    const output = `${elsewhere.folder}/files`;
    await elsewhere.build([
      '--build-context',
      `brought=oci-layout://${layout}`,
      '-o',
      `type=local,dest=${output}`,
      grandchild,
    ]);
    expect(readFileSync(`${output}/again`, 'utf8')).toBe('last\n');
  });

  it('writes nothing with type=cacheonly', async () => {
    using rig = openRig(who);
    const context = rig.context(FILES);
    await rig.build(['-t', 'nothing', '-o', 'type=cacheonly', context]);
    expect(existsSync(`${rig.store}/slipway.db`)).toBe(true);
    const { status, stderr } = await rig.run(['build', rig.context({ Dockerfile: 'FROM localhost:1/nothing\n' })]);
    expect(status).toBe(1);
    expect(stderr).toContain('localhost:1');
  });
});

function failing(rig: SlipwayRig, args: readonly string[]) {
  return rig.run(['build', ...args, rig.context({ Dockerfile: 'FROM scratch\nCOPY missing /\n' })]);
}
