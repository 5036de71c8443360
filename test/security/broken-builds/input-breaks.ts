import type { BrokenBuild } from './broken-build.ts';

const FS = "process.getBuiltinModule('node:fs')";

/** Holes in what comes from outside, or goes there: repositories, archives, the cache, outputs, secrets. */
export const INPUT_BREAKS: readonly BrokenBuild[] = [
  {
    threat: '9cdf642',
    breaks: 'a fifo is read as if it were a file',
    patches: [
      { file: 'src/core/unix-users.ts', search: "if (entry.type !== 'file') throw", replace: 'if (false) throw' },
      { file: 'src/core/unix-users.ts', search: 'if (!stat.isFile()) throw', replace: 'if (false) throw' },
    ],
    file: 'security/hostile-users.test.ts',
    tests: 'native as root GHSA-72x6-4j93-7w86, 9cdf642: users that are a fifo',
  },
  {
    threat: 'CVE-2026-33747',
    breaks: 'an added file has whatever name it was given',
    patches: [
      {
        file: 'solver/ops/http-op.ts',
        search: "if (/[/\\0]/.test(filename) || filename === '' || filename === '.' || filename === '..') {",
        replace: 'if (filename.length > 1000) {',
      },
    ],
    file: 'solver/ops/http-op.test.ts',
    tests: 'as the name of a file',
  },
  {
    threat: 'CVE-2026-33747, CVE-2024-3727',
    breaks: 'a digest is what begins like one',
    patches: [
      {
        file: 'src/core/digest.ts',
        search: 'const GRAMMAR = /^sha256:[0-9a-f]{64}$/;',
        replace: 'const GRAMMAR = /^sha256:/;',
      },
    ],
    file: 'security/poisoned-cache.test.ts',
    tests: 'CVE-2024-3727',
  },
  {
    threat: 'CVE-2026-33748',
    breaks: 'the folder of a repository may be a symlink',
    patches: [
      {
        file: 'cache/git/check-out.ts',
        search: 'const stats = lstatSync(',
        replace: `const stats = lstatSync === undefined ? undefined : ${FS}.statSync(`,
      },
    ],
    file: 'security/hostile-git.test.ts',
    tests: 'CVE-2026-33748',
  },
  {
    threat: 'f83dedd',
    breaks: 'any text is a ref',
    patches: [
      {
        file: 'cache/git/git-refs.ts',
        search: "if (ref !== '' && ref.length <= LONGEST && !FORBIDDEN.test(ref)) return ref;",
        replace: 'if (ref.length <= LONGEST || FORBIDDEN.test(ref)) return ref;',
      },
    ],
    file: 'security/hostile-git.test.ts',
    tests: 'CVE-2019-13139|f83dedd',
  },
  {
    threat: 'CVE-2019-13139',
    breaks: 'a host may begin like an option',
    patches: [
      {
        file: 'cache/git/git-remote.ts',
        search:
          "  if (!/^[a-zA-Z0-9[]/.test(parsed.hostname)) throw invalid(url, 'the host must begin with a letter or a digit');\n",
        replace: '',
      },
    ],
    file: 'security/hostile-git.test.ts',
    tests: 'CVE-2019-13139',
  },
  {
    threat: 'CVE-2022-39253',
    breaks: 'git may read repositories of this machine',
    patches: [
      {
        file: 'cache/git/git-environment.ts',
        search: "protocols === 'file' ? 'always' : 'never'",
        replace: "protocols === 'file' ? 'always' : 'always'",
      },
      {
        file: 'cache/git/git-environment.ts',
        search: "'https:http:ssh:git'",
        replace: "'https:http:ssh:git:file'",
      },
    ],
    file: 'security/hostile-git.test.ts',
    tests: 'CVE-2022-39253',
  },
  {
    threat: 'CVE-2023-26054',
    breaks: 'git is given a URL with its password',
    patches: [
      { file: 'cache/git/git-remote.ts', search: "  parsed.username = '';\n  parsed.password = '';\n", replace: '' },
    ],
    file: 'security/hostile-git.test.ts',
    tests: 'CVE-2023-26054',
  },
  {
    threat: 'CVE-2023-26054',
    breaks: 'events have the URLs of a Dockerfile as they are',
    patches: [
      {
        file: 'solver/step.ts',
        search: 'const name = withoutCredentials(vertex.options.name);',
        replace: "const name = vertex.options.name || withoutCredentials('');",
      },
      {
        file: 'src/progress/rawjson-renderer.ts',
        search: "  return typeof value === 'string' ? withoutCredentials(value) : value;",
        replace: '  return withoutCredentials === undefined ? undefined : value;',
      },
    ],
    file: 'security/builds/canaries.test.ts',
    tests: 'as root oci are found',
  },
  {
    threat: 'D6-8',
    breaks: 'a failed step is kept with the values of its secrets',
    patches: [
      {
        file: 'solver/ops/exec-op.ts',
        search: 'const keptProcess = processOf(op, { devices, env: [] });',
        replace: 'const keptProcess = process;',
      },
    ],
    file: 'security/builds/canaries.test.ts',
    tests: 'as root oci are found',
  },
  {
    threat: '4ed7a2f',
    breaks: 'the kernel resolves the paths of a layer',
    patches: [
      {
        file: 'cache/layers/layer-folder-writer.ts',
        search: "    const place = resolveParent(this.#model, path, 'make');",
        replace:
          "    const found = resolveParent(this.#model, path, 'make');\n    const place = found === undefined ? undefined : { ...found, path };",
      },
    ],
    file: 'security/hostile-layers.test.ts',
    tests: '4ed7a2f',
  },
  {
    threat: 'CVE-2018-15664',
    breaks: 'a folder of the context is opened by its path',
    patches: [
      {
        file: 'src/context/folder-descriptors.ts',
        search: "{ encoding: 'latin1' }) === path) return descriptor;",
        replace: "{ encoding: 'latin1' }) !== '') return descriptor;",
      },
    ],
    file: 'security/swapped-folders.test.ts',
    tests: 'CVE-2018-15664',
  },
  {
    threat: 'CVE-2023-0778, CVE-2019-10152, CVE-2019-18466',
    breaks: 'a folder of an output is opened through a symlink',
    patches: [
      {
        file: 'src/export/rooted-folder.ts',
        search: 'const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;',
        replace: 'const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY;',
      },
    ],
    file: 'security/swapped-folders.test.ts',
    tests: 'CVE-2023-0778',
  },
  {
    threat: 'CVE-2026-44517',
    breaks: 'the kernel resolves the path of a Dockerfile in a repository',
    patches: [
      {
        file: 'src/context/read-dockerfile.ts',
        search:
          "    if (resolved === undefined || tree.lstat(resolved)?.type !== 'file') continue;\n    const text = readRegular(tree.contentPath(resolved), path);",
        replace:
          "    const text = readRegular(tree.contentPath(toBytePath(`${folder}/${name}`)), path) ?? String(resolved ?? '');",
      },
    ],
    file: 'security/hostile-contexts.test.ts',
    tests: 'CVE-2026-44517: a repository',
  },
  {
    threat: 'CVE-2024-24557',
    breaks: 'the mode of a copied file is in no key',
    patches: [
      {
        file: 'solver/ops/file-op.ts',
        search: 'actions: op.actions.map(keyed) })',
        replace: 'actions: op.actions.map((action) => ({ ...keyed(action), chmod: undefined })) })',
      },
    ],
    file: 'security/poisoned-cache.test.ts',
    tests: 'CVE-2024-24557: a cache is no other',
  },
  {
    threat: 'CVE-2020-15157, c692b03',
    breaks: 'whoever a registry sends the client to gets its credentials',
    patches: [
      {
        file: 'src/registry/registry-client.ts',
        search:
          '    if (url.origin !== this.endpoint(repository.domain).origin) return await this.#transport.send(plain, signal);\n',
        replace: '',
      },
    ],
    file: 'registry/pull.test.ts',
    tests: 'CVE-2020-15157|c692b03',
  },
];
