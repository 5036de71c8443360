import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LayerId } from '../../../cache/layers/layer-store.ts';
import type { BytePath } from '../../../src/core/byte-path.ts';
import type { FileTree } from '../../../src/core/file-tree.ts';
import { addLayer, type LayerRig, openLayerRig } from '../../rig/layers.ts';
import { readArchive } from '../tar/archives.ts';
import { isRealRoot } from './hostile-layers.ts';

const root = isRealRoot();
if (!root) console.warn('SKIPPED: layers are not compared with overlayfs, because this process may not mount');

let rig: LayerRig;
beforeEach(() => {
  rig = openLayerRig();
});
afterEach(() => rig[Symbol.dispose]());

const { signal } = new AbortController();
const path = (text: string) => text as BytePath;

/** Runs a script in the merged root of the stack, and commits what it changed. Prints are returned. */
async function runOn(stack: readonly LayerId[], script: string): Promise<{ layer: LayerId; output: string }> {
  using mounted = await rig.layers.mount(stack, signal);
  await using active = await rig.layers.prepare();
  const lower = [...mounted.lowerDirs].reverse().join(':');
  const kind =
    rig.layers.overlayXattrPrefix() === 'user.overlay.' ? 'userxattr' : 'redirect_dir=off,metacopy=off,index=off';
  const options = `lowerdir=${lower},upperdir=${active.upperDir},workdir=${active.workDir},${kind}`;
  const wrapper = 'mount -t overlay overlay -o "$1" "$2" && cd "$2" && set -e && eval "$3"';
  execFileSync('mkdir', ['-p', `${rig.folder}/merged`]);
  const output = execFileSync(
    'unshare',
    ['--mount', 'bash', '-c', wrapper, 'sh', options, `${rig.folder}/merged`, script],
    {
      encoding: 'utf8',
    },
  );
  return { layer: await active.commit(), output };
}

function base(): LayerId {
  return addLayer(rig.layers, {
    '/etc': { folder: true },
    '/etc/kept': { text: 'kept' },
    '/etc/gone': { text: 'gone' },
    '/dir': { folder: true },
    '/dir/inside': { text: 'old' },
    '/replaced': { folder: true },
    '/replaced/old': { text: 'old' },
    '/swapped': { text: 'file' },
  });
}

/** What find prints of a mounted stack, from the view. */
function listed(tree: FileTree, folder = '/'): string[] {
  return tree.readdir(path(folder)).flatMap((name) => {
    const child = folder === '/' ? `/${name}` : `${folder}/${name}`;
    const entry = tree.lstat(path(child));
    const line = `${child} ${entry?.type} ${entry?.mode.toString(8)} ${entry?.uid}:${entry?.gid} ${entry?.size} ${entry?.mtime}`;
    return entry?.type === 'dir' ? [line, ...listed(tree, child)] : [line];
  });
}

describe.skipIf(!root)('the layer that a process wrote through overlayfs', () => {
  const SCRIPT = `
    rm etc/gone
    rm -rf dir && mkdir dir && echo new > dir/new
    rm -rf replaced && echo file > replaced
    rm swapped && mkdir swapped && touch swapped/x
    echo text > hard1 && ln hard1 hard2 && ln -s hard1 soft
    (mknod null c 1 3 2>/dev/null || true) && mkfifo pipe
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")' 2>/dev/null || true
    echo cap > ping && chmod 4755 ping && setfattr -n user.note -v hi ping 2>/dev/null || true
    truncate -s 5000000 sparse && printf end >> sparse
    touch -d @1000000000 -h etc/kept soft`;

  it('has whiteouts, opaque folders, links, devices, attributes, and no sockets', async () => {
    const { layer } = await runOn([base()], SCRIPT);
    const blob = await rig.layers.blob(layer, { type: 'uncompressed' }, { signal });
    const entries = readArchive(rig.content.read(blob.descriptor.digest));
    const isRootless = rig.layers.overlayXattrPrefix() === 'user.overlay.';
    expect(entries.map(({ path: name, type }) => `${type} ${name}`)).toEqual([
      'dir dir/',
      'file dir/.wh..wh..opq',
      'file dir/new',
      'dir etc/',
      'file etc/.wh.gone',
      'file etc/kept',
      'file hard1',
      'hardlink hard2',
      ...(isRootless ? [] : ['char null']),
      'file ping',
      'fifo pipe',
      'file replaced',
      'symlink soft',
      'file sparse',
      'dir swapped/',
      'file swapped/.wh..wh..opq',
      'file swapped/x',
    ]);
    const named = new Map(entries.map((entry) => [entry.path as string, entry]));
    expect(named.get('hard2')?.target).toBe('hard1');
    if (!isRootless) expect(named.get('null')?.device).toEqual({ major: 1, minor: 3 });
    expect(named.get('ping')?.mode).toBe(0o4755);
    expect(named.get('sparse')?.bytes.replaceAll('\0', '')).toBe('end');
    expect(named.get('etc/kept')?.mtime).toBe(1_000_000_000);
  });

  it('looks the same in the view as mounted', async () => {
    const stack = [base(), (await runOn([base()], SCRIPT)).layer];
    const { output } = await runOn(
      stack,
      String.raw`find . -mindepth 1 ! -name sock -printf '/%P %y %m %U:%G %s %T@\n' | LC_ALL=C sort`,
    );
    using view = await rig.layers.view(stack, signal);
    const types: Record<string, string> = { f: 'file', d: 'dir', l: 'symlink', c: 'char', p: 'fifo' };
    const mounted = output
      .trim()
      .split('\n')
      .map((line) => {
        const [name, type = '', mode, owner, size, time] = line.split(' ');
        const bytes = type === 'f' ? size : '0';
        return `${name} ${types[type]} ${mode} ${owner} ${bytes} ${Math.floor(Number(time))}`;
      });
    expect(
      listed(view)
        .filter((line) => !line.startsWith('/sock'))
        .sort(),
    ).toEqual(mounted.sort());
    expect(readFileSync(view.contentPath(path('/etc/kept')), 'utf8')).toBe('kept');
    expect(view.lstat(path('/etc/gone'))).toBeUndefined();
    expect(view.lstat(path('/dir/inside'))).toBeUndefined();
    expect(view.lstat(path('/soft'))?.target).toBe('hard1');
    expect(view.lstat(path('/soft/x'))).toBeUndefined();
    expect(view.lstat(path('/hard1'))?.link).toBe(view.lstat(path('/hard2'))?.link);
  });

  it('is the same again when its blob is unpacked', async () => {
    const { layer } = await runOn([base()], SCRIPT);
    const blob = await rig.layers.blob(layer, { type: 'gzip' }, { signal });
    const pulled = rig.layers.addBlob(blob.descriptor, blob.diffId, { fetch: async () => {} });
    const copy = rig.layers.addTree(await rig.layers.entries(pulled, signal));
    expect((await rig.layers.blob(copy, { type: 'gzip' }, { signal })).diffId).toBe(blob.diffId);
    const { output } = await runOn([base(), pulled], 'rm -f null; ls; ls dir swapped; readlink soft');
    expect(output).toBe(
      'dir\netc\nhard1\nhard2\nping\npipe\nreplaced\nsoft\nsparse\nswapped\ndir:\nnew\n\nswapped:\nx\nhard1\n',
    );
  });

  it('keeps file capabilities', async (context) => {
    const { layer, output } = await runOn(
      [base()],
      'cp /bin/true ping && (setcap cap_net_raw+ep ping && echo set || true)',
    );
    if (!output.includes('set')) context.skip('no setcap on this machine');
    const entries = [...(await rig.layers.entries(layer, signal))];
    const [{ change } = { change: undefined }] = entries.filter((entry) => entry.path === '/ping');
    expect(change?.kind === 'present' ? [...(change.file.xattrs?.keys() ?? [])] : []).toEqual(['security.capability']);
  });

  it('takes a tree layer on a folder, and a folder on a tree', async () => {
    const { layer } = await runOn([base()], 'echo run > etc/run');
    const top = addLayer(rig.layers, {
      '/etc': { folder: true, mode: 0o700 },
      '/etc/run': { removed: true },
      '/etc/top': { text: 'top' },
    });
    using view = await rig.layers.view([base(), layer, top], signal);
    expect(view.readdir(path('/etc'))).toEqual(['gone', 'kept', 'top']);
    expect(view.lstat(path('/etc'))?.mode).toBe(0o700);
    expect(readFileSync(view.contentPath(path('/etc/top')), 'utf8')).toBe('top');
    using mounted = await rig.layers.mount([top], signal);
    expect(lstatSync(`${mounted.lowerDirs[0]}/etc/run`).isCharacterDevice()).toBe(true);
    const { output } = await runOn([base(), layer, top], 'ls etc; readlink nothing || true');
    expect(output).toBe('gone\nkept\ntop\n');
    expect(() => readlinkSync(`${mounted.lowerDirs[0]}/etc`)).toThrow();
  });
});
