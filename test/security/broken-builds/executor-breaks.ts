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
const NO_ENTITLEMENTS: Patch = {
  file: 'solver/ops/exec/entitlements.ts',
  search: 'if (!entitlements.includes(name)) throw missing(name, what);',
  replace: '',
};
const UNKNOWN_MODES: Patch = {
  file: 'solver/ops/exec/entitlements.ts',
  search: '  if (!Object.hasOwn(table, mode)) throw new Error(`internal: unknown mode ${JSON.stringify(mode)}`);\n',
  replace: '',
};

/** Holes in what runs steps: mounts, users, rights, networks. */
export const EXECUTOR_BREAKS: readonly BrokenBuild[] = [
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
    threat: 'CVE-2024-23653',
    breaks: 'a RUN needs no entitlement',
    patches: [NO_ENTITLEMENTS],
    file: 'security/privileges.test.ts',
    tests: 'CVE-2024-23653',
  },
  {
    threat: 'CVE-2024-23653',
    breaks: 'a failed step is entered without asking',
    patches: [
      {
        file: 'solver/ops/exec/enter-step.ts',
        search: '    services.entitlements,\n  );',
        replace: "    ['network.host', 'security.insecure', 'device'],\n  );",
      },
    ],
    file: 'security/entered-steps.test.ts',
    tests: 'CVE-2024-23653',
  },
  {
    threat: 'GHSA-7236-3392-c5c6',
    breaks: 'an unknown mode needs no entitlement',
    patches: [UNKNOWN_MODES],
    file: 'security/privileges.test.ts',
    tests: 'GHSA-7236-3392-c5c6: default is to deny',
  },
  {
    threat: 'GHSA-7236-3392-c5c6',
    breaks: 'an unknown security mode is one without a sandbox',
    patches: [
      {
        file: 'src/executor/oci-spec.ts',
        search: '      throw new Error(`internal: security mode ${unknown}`);',
        replace: '      return unknown !== undefined;',
      },
    ],
    file: 'security/privileges.test.ts',
    tests: 'native as root GHSA-7236-3392-c5c6: no step starts with the security mode',
  },
  {
    threat: 'GHSA-72x6-4j93-7w86',
    breaks: 'users are read however many bytes they are',
    patches: [
      { file: 'src/core/unix-users.ts', search: 'if (stat.size > USER_FILE_LIMIT) throw', replace: 'if (false) throw' },
    ],
    file: 'security/hostile-users.test.ts',
    tests: 'native as root GHSA-72x6-4j93-7w86, 9cdf642: users that are five sparse GiB are',
  },
  {
    threat: 'CVE-2024-9676',
    breaks: 'the kernel resolves /etc/passwd, on the host',
    patches: [
      {
        file: 'src/core/unix-users.ts',
        search: "  const path = resolvePath(tree, name as BytePath, 'follow');\n  const entry",
        replace: `  if (name === '/etc/passwd') return ${FS}.readFileSync(hostPath(tree.contentPath(name as BytePath)), 'utf8');
  const path = resolvePath(tree, name as BytePath, 'follow');\n  const entry`,
      },
    ],
    file: 'security/hostile-users.test.ts',
    tests: 'native as root CVE-2024-9676: users that are a symlink to \\.\\./',
  },
  {
    threat: 'CVE-2026-46680',
    breaks: 'a number that is no id is looked for among the names',
    patches: [
      {
        file: 'src/core/unix-users.ts',
        search: '  if (id >= 0 && id <= MAX_ID) return id;\n',
        replace: '  if (id >= 0 && id <= MAX_ID) return id;\n  if (id > 0) return undefined;\n',
      },
    ],
    file: 'security/hostile-users.test.ts',
    tests: 'native as root CVE-2026-46680: the user 4294967296 is no user',
  },
  {
    threat: 'CVE-2023-25173, CVE-2022-2990',
    breaks: 'a step keeps the builder’s groups',
    patches: [
      { file: 'src/executor/native/privileges.ts', search: '  calls.setGroups(user.additionalGids);\n', replace: '' },
    ],
    file: 'security/hostile-users.test.ts',
    tests: 'native as root CVE-2023-25173, CVE-2022-2990',
  },
  {
    threat: 'CVE-2022-2990',
    breaks: 'a user has no groups but the first',
    patches: [
      {
        file: 'src/executor/oci-spec.ts',
        search: 'additionalGids: groups',
        replace: 'additionalGids: groups.slice(0, 0)',
      },
    ],
    file: 'security/hostile-users.test.ts',
    tests: 'crun as root CVE-2022-2990: a file',
  },
  {
    threat: 'CVE-2022-27651',
    breaks: 'every step inherits its capabilities',
    patches: [
      {
        file: 'src/executor/oci-spec.ts',
        search: '        ...(insecure ? { inheritable: capabilities, ambient: capabilities } : {}),',
        replace: '        inheritable: capabilities,',
      },
    ],
    file: 'security/privileges.test.ts',
    tests: '(crun|native) as root CVE-2022-27651',
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
    threat: 'CVE-2024-9407',
    breaks: 'unknown keys of a mount are passed over',
    patches: [
      {
        file: 'frontend/instructions/run-mount.ts',
        search: '      throw unexpectedKey(key, field);',
        replace: '      return;',
      },
    ],
    file: 'security/mount-options.test.ts',
    tests: 'CVE-2024-9407: a mount has no',
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
    threat: 'CVE-2021-3602',
    breaks: 'a step gets the builder’s environment',
    patches: [
      {
        file: 'src/executor/oci-spec.ts',
        search: '      env: environment(spec.env, setting.user),',
        replace:
          '      env: [...environment(spec.env, setting.user), ...Object.entries(process.env).map((pair) => pair.join("="))],',
      },
    ],
    file: 'security/hostile-roots.test.ts',
    tests: 'crun as root CVE-2021-3602',
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
  {
    threat: '4015a3c',
    breaks: 'a step without network is on the builder’s',
    patches: [
      {
        file: 'src/executor/oci-spec.ts',
        search: "      return [...own, { type: 'network' }];",
        replace: '      return own;',
      },
    ],
    file: 'security/no-network.test.ts',
    tests: 'native as root 4015a3c',
  },
];
