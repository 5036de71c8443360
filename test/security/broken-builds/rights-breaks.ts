import type { BrokenBuild, Patch } from './broken-build.ts';

const FS = "process.getBuiltinModule('node:fs')";
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

/** Holes in what a step may do: entitlements, users, capabilities, environment, network. */
export const RIGHTS_BREAKS: readonly BrokenBuild[] = [
  {
    threat: 'CVE-2024-23653',
    breaks: 'a RUN needs no entitlement',
    patches: [NO_ENTITLEMENTS],
    file: 'security/privileges.test.ts',
    tests: 'CVE-2024-23653',
  },
  {
    threat: 'CVE-2024-23653',
    breaks: 'neither the command line nor the library asks for entitlements',
    patches: [NO_ENTITLEMENTS],
    file: 'security/builds/entry-points.test.ts',
    tests: 'as root CVE-2024-23653: (the library|a build).*network',
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
