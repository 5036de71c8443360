import type { BrokenBuild, Patch } from './broken-build.ts';

const STEP_MOUNTS = 'src/executor/step-mounts.ts';
const OPEN_SOURCE = "    return containerSyscalls().openInRoot(root, Buffer.from(path === '' ? '/' : path, 'latin1'));";
const FS = "process.getBuiltinModule('node:fs')";

/** Looks first and opens by the path afterwards, as BuildKit and Buildah did. */
const CHECK_THEN_OPEN: Patch = {
  file: STEP_MOUNTS,
  search: OPEN_SOURCE,
  replace: `    const fs = ${FS};
    if (!fs.realpathSync(root + path).startsWith(root)) throw Object.assign(new Error('outside'), { code: 'ENOENT' });
    return fs.openSync(root + path, 'r');`,
};
/** The runtime mounts by the path, milliseconds after it was looked at. */
const CHECK_THEN_MOUNT: Patch = {
  file: STEP_MOUNTS,
  search: "    return { kind, mount: bind(place, ['nodev',",
  replace: `    if (${FS}.realpathSync(root + path).startsWith(root)) return { kind, mount: bind(root + path, ['nodev']) };
    return { kind, mount: bind(place, ['nodev',`,
};
const NATIVE_PLACE_BY_PATH: Patch = {
  file: 'src/executor/native/container-root.ts',
  search: '  const { openInRoot } = containerSyscalls();\n  try {',
  replace: `  const openInRoot = (folder: string, name: Buffer) => ${FS}.openSync(folder + name, 0o10000000);\n  try {`,
};
const TARGET_AS_WRITTEN: Patch = {
  file: 'src/executor/step-root.ts',
  search: "  const path = resolvePath(view, toBytePath(target), 'follow');",
  replace: "  const path = resolvePath(view, '/' as BytePath, 'follow') && toBytePath(target);",
};
const ANY_KERNEL_FOLDER: readonly Patch[] = [
  { file: 'src/executor/step-root.ts', search: "entry === undefined || entry.type === 'dir'", replace: 'true' },
  {
    file: 'src/executor/native/container-root.ts',
    search: "if (type !== 'proc' && type !== 'sysfs') return;",
    replace: 'return;',
  },
];

/** Holes in what makes a step's root: mounts, their sources and targets, devices, working folders. */
export const MOUNT_BREAKS: readonly BrokenBuild[] = [
  {
    threat: 'CVE-2024-23651',
    breaks: 'a mount’s source is looked at first and opened by its path afterwards',
    patches: [CHECK_THEN_OPEN],
    file: 'security/mount-source-race.test.ts',
    tests: "(crun|native) as root' mounts no source",
  },
  {
    threat: 'CVE-2024-23651',
    breaks: 'the kernel is not told to stay inside the root',
    patches: [
      {
        file: 'src/executor/container-syscalls.ts',
        search: 'BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)',
        replace: 'BigInt(RESOLVE_NO_MAGICLINKS)',
      },
    ],
    file: 'security/mount-source-race.test.ts',
    tests: 'swapped for a symlink thousands of times',
  },
  {
    threat: 'CVE-2024-23652',
    breaks: 'what mounts needed is removed by paths that the step could replace',
    patches: [
      {
        file: 'src/executor/mount-stubs.ts',
        search: "resolvePath(view, stub, 'follow') === stub && view.lstat(stub)",
        replace: 'view.lstat(stub)',
      },
    ],
    file: 'security/hostile-roots.test.ts',
    tests: 'native as root CVE-2024-23652: what a insecure',
  },
  {
    threat: 'CVE-2024-1753',
    breaks: 'the kernel resolves a mount’s source on the host',
    patches: [
      {
        file: STEP_MOUNTS,
        search: OPEN_SOURCE,
        replace: `    return ${FS}.openSync(root + path, 'r');`,
      },
    ],
    file: 'security/hostile-roots.test.ts',
    tests: 'crun as root CVE-2024-1753',
  },
  {
    threat: 'CVE-2024-9675',
    breaks: 'a cache’s id is part of a path',
    patches: [
      {
        file: 'cache/mounts/folder-cache-mounts.ts',
        search: '  return hexOf(digestOfJson({ id })).slice(0, 48);',
        replace: '  return digestOfJson({ id }) && id;',
      },
    ],
    file: 'security/mount-options.test.ts',
    tests: 'CVE-2024-9675',
  },
  {
    threat: 'CVE-2024-23651',
    breaks: 'a mount’s source is looked at first and mounted by its path afterwards',
    patches: [CHECK_THEN_MOUNT],
    file: 'security/builds/swapped-caches.test.ts',
    tests: 'as root oci CVE-2024-23651',
  },
  {
    threat: 'CVE-2024-11218',
    breaks: 'a mount’s source is looked at first and mounted by its path afterwards',
    patches: [CHECK_THEN_MOUNT],
    file: 'security/builds/swapped-caches.test.ts',
    tests: 'as root native CVE-2024-11218',
  },
  {
    threat: 'CVE-2026-55686',
    breaks: 'the kernel resolves a working directory on the host',
    patches: [
      {
        file: 'src/executor/working-folder.ts',
        search: "  const path = resolvePath(view, toBytePath(cwd), 'follow');",
        replace: "  const path = resolvePath(view, '/' as BytePath, 'follow') && toBytePath(cwd);",
      },
    ],
    file: 'security/working-folders.test.ts',
    tests: 'crun as root CVE-2026-55686: a working directory behind a symlink is',
  },
  {
    threat: 'CVE-2024-21626',
    breaks: 'a working directory may lie in /proc/self/fd',
    patches: [
      {
        file: 'src/executor/working-folder.ts',
        search: '  refuseProcessFolder(path, cwd);\n',
        replace: '  if (path === cwd.repeat(2)) refuseProcessFolder(path, cwd);\n',
      },
    ],
    file: 'security/hostile-roots.test.ts',
    tests: 'native as root CVE-2024-21626',
  },
  {
    threat: 'CVE-2021-30465, CVE-2019-19921, CVE-2024-45310',
    breaks: 'the kernel resolves a mount’s target on the host',
    patches: [NATIVE_PLACE_BY_PATH],
    file: 'security/mount-target-race.test.ts',
    tests: 'native as root: a mount target',
  },
  {
    threat: 'CVE-2024-9341',
    breaks: 'what slipway mounts goes where a path leads on the host',
    patches: [TARGET_AS_WRITTEN, NATIVE_PLACE_BY_PATH],
    file: 'security/hostile-kernel-files.test.ts',
    tests: 'native as root CVE-2024-9341: (the certificates|/etc/hosts)',
  },
  {
    threat: 'CVE-2025-52565',
    breaks: 'the console is what the container’s /dev/pts has under its name',
    patches: [
      {
        file: 'src/executor/native/container-root.ts',
        search: '  const source = detachedMount(calls, mount);\n',
        replace:
          "  const isConsole = mount.destination === '/dev/console' && mount.type === 'none';\n" +
          '  const source = detachedMount(calls, isConsole ? { ...mount, source: `${root}/dev/pts/0` } : mount);\n',
      },
    ],
    file: 'security/builds/terminals.test.ts',
    tests: 'as root native CVE-2025-52565.*/dev/pts',
  },
  {
    threat: 'CVE-2023-28642, CVE-2023-27561',
    breaks: 'an image’s /proc may be a symlink',
    patches: ANY_KERNEL_FOLDER,
    file: 'security/hostile-kernel-files.test.ts',
    tests: 'native as root CVE-2023-28642',
  },
  {
    threat: 'CVE-2025-31133',
    breaks: 'the image’s /dev/null hides paths',
    patches: [
      {
        file: 'src/executor/native/hidden-paths.ts',
        search: ': nullDevice(calls),',
        replace: ": calls.cloneMount(`${root}/dev/null`, nullDevice(calls) ? 'alone' : 'recursive'),",
      },
    ],
    file: 'security/hostile-kernel-files.test.ts',
    tests: 'native as an ordinary user CVE-2025-31133: a cache',
  },
  {
    threat: 'CVE-2025-52881',
    breaks: 'a step has the image’s /proc',
    patches: [
      {
        file: 'src/executor/oci-spec.ts',
        search: "    { destination: '/proc', type: 'proc', source: 'proc', options: hardened },\n",
        replace: '',
      },
    ],
    file: 'security/hostile-kernel-files.test.ts',
    tests: 'native as root CVE-2025-52881: an image',
  },
  {
    threat: 'CVE-2026-41579',
    breaks: 'devices are made in /dev of the image, wherever that leads',
    patches: [
      ...ANY_KERNEL_FOLDER,
      NATIVE_PLACE_BY_PATH,
      {
        file: 'src/executor/native/devices.ts',
        search: "containerSyscalls().openInRoot(root, Buffer.from('/dev'))",
        replace: `${FS}.openSync(\`\${root}/dev\`, 'r')`,
      },
    ],
    file: 'security/hostile-kernel-files.test.ts',
    tests: 'native as root CVE-2026-41579: an image',
  },
];
