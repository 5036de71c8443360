import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { type GitServer, startGitServer } from '../../rig/git-server.ts';
import { addImage, makeImage } from '../../rig/image.ts';
import { close, listen } from '../../rig/local-server.ts';
import { startRegistry, type TestRegistry } from '../../rig/registry.ts';
import { baseImages, type Finished, openRig, type SlipwayRig } from '../../rig/slipway.ts';
import { typeInto } from '../../rig/terminal.ts';
import { canary, searchFor } from '../canary-search.ts';
import { describeForEachIsolation } from './each-isolation.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const CANARIES = {
  file: canary(),
  env: canary(),
  variable: canary(),
  git: canary(),
  gitToken: canary(),
  web: canary(),
  registry: canary(),
  proxy: canary(),
};
const SEARCH = searchFor({
  ...CANARIES,
  ssh: KEY.split('\n')[1] ?? '',
  seed: Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'),
});

/** \`looker\` sees whatever a step can see, while the steps with secrets run and afterwards. */
const dockerfile = (web: string, registry: string) => `
FROM busybox AS looker
RUN --mount=type=cache,target=/cache \\
  for n in $(seq 60); do cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/mountinfo; env; usleep 20000; done >/seen 2>&1; \\
  find / -xdev -path /proc -prune -o -path /sys -prune -o -path /seen -prune -o -type f -size -1000k -print0 | \
    xargs -0 cat 2>/dev/null | head -c 20000000 >/found; true
FROM busybox AS secrets
RUN --mount=type=secret,id=file sha256sum /run/secrets/file; sleep 0.4
RUN --mount=type=secret,id=env,target=/deep/er/token,mode=0440 sha256sum /deep/er/token
RUN --mount=type=secret,id=variable,env=TOKEN printf %s "$TOKEN" | sha256sum; sleep 0.4
RUN --mount=type=secret,id=file,target=/f,env=BOTH test "$(cat /f)" = "$BOTH"
RUN --mount=type=ssh test -S $SSH_AUTH_SOCK
ADD ${web} /web
FROM ${registry}/team/base AS pulled
FROM busybox
COPY --from=looker /seen /found /
COPY --from=secrets / /all/
COPY --from=pulled / /pulled/
COPY file /of-git
`;
const FAILING = `
FROM busybox
RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=TOKEN --mount=type=ssh \\
  test -n "$TOKEN" && test -n "$http_proxy" && test -s /run/secrets/file && exit 3
`;

interface Servers {
  readonly git: GitServer;
  readonly registry: TestRegistry;
  /** A file behind a password. */
  readonly web: string;
}

describeForEachIsolation('canaries in every secret and key', (who, isolation) => {
  it('are found in no image, layer, config, history, log, store or registry, and in no other step', async () => {
    await using servers = await startServers();
    using rig = openRig(who);
    const { git, registry, web } = servers;
    lendSecrets(rig, registry);
    const repository = git.repository('app');
    repository.commit({ Dockerfile: dockerfile(web, registry.host), file: 'of git' });
    const context = repository.url.replace('://', `://user:${CANARIES.git}@`);
    const given = secretArguments(rig, isolation);
    const proxy = ['--build-arg', `http_proxy=http://me:${CANARIES.proxy}@127.0.0.1:9`];
    const options = { env: { FROM_ENV: CANARIES.env, VARIABLE: CANARIES.variable, GIT_AUTH_TOKEN: CANARIES.gitToken } };
    const outputs = [
      ...['-t', `${registry.host}/team/out:1`, '--push', '--metadata-file', `${rig.folder}/home/metadata`],
      ...['-o', `type=oci,dest=${rig.folder}/home/image.tar,compression=uncompressed`],
      ...['-o', `type=local,dest=${rig.folder}/home/files`],
    ];
    const logs: Finished[] = [];
    const run = async (...args: readonly string[]) => {
      const finished = await rig.run([...args], options);
      logs.push(finished);
      return finished;
    };
    const built = await run('build', '--progress=plain', '--debug', ...baseImages(), ...given, ...outputs, context);
    expect(built.status, built.stderr).toBe(0);
    const again = await run('build', '--progress=rawjson', '--no-cache', ...baseImages(), ...given, context);
    expect(again.status, again.stderr).toBe(0);
    await run('graph', '--format=json', ...baseImages(), ...given, ...proxy, context);
    await run('build', '--call=outline', ...baseImages(), ...given, ...proxy, context);
    const failing = rig.context({ Dockerfile: FAILING });
    const failed = await run('build', '--progress=plain', '--debug', ...baseImages(), ...given, ...proxy, failing);
    expect(failed.stderr).toContain('exited with code 3');
    const cacheOnly = await run(
      'build',
      '--progress=plain',
      ...baseImages(),
      ...given,
      '-o',
      'type=cacheonly',
      context,
    );
    expect(cacheOnly.status, cacheOnly.stderr).toBe(0);

    const found = [
      ...searchRig(rig),
      ...logs.flatMap(({ stdout, stderr }, index) => searchOutput(`log ${index}`, stdout, stderr)),
      ...[...registry.contents.blobs].flatMap(([digest, bytes]) => SEARCH.inBytes(digest, bytes)),
      ...[...registry.contents.manifests].flatMap(([name, { bytes }]) => SEARCH.inBytes(name, bytes)),
    ];
    expect(found).toEqual([]);
    // The search is one: what only they know was asked for with it.
    expect(SEARCH.below(`${rig.folder}/home/secrets`).length).toBeGreaterThan(2);
    expect(SEARCH.inBytes('x', Buffer.from(`x${Buffer.from(`me:${CANARIES.web}`).toString('base64')}`))).toEqual([
      'x: web',
    ]);
    expect(registry.requests.some(({ authorization }) => authorization?.startsWith('Basic '))).toBe(true);
  });

  it('are kept of no step that is entered by --on-failure=shell', () => {
    using rig = openRig(who);
    lendSecrets(rig);
    const context = rig.context({
      Dockerfile: FAILING.replaceAll('--mount=type=secret,id=variable,env=TOKEN', 'TOKEN=x'),
    });
    const given = secretArguments(rig, isolation).filter((argument) => !/variable|id=env/.test(argument));
    const args = given.filter((argument, index) => argument !== '--secret' || given[index + 1]?.includes('id=file'));
    const shown = typeInto(
      rig,
      ['build', '--on-failure=shell', ...args, ...baseImages(), context],
      [['/ #', 'wc -c <"/run/secrets/file"; echo end-$((1+1)); exit\r']],
    );
    expect(shown).toContain(`${CANARIES.file.length}\r\nend-2`);
    const later = typeInto(rig, ['shell'], [['/ #', 'env; ls /run/secrets; echo end-$((1+1)); exit\r']]);
    expect(later).toContain('end-2');
    expect([...searchRig(rig), ...SEARCH.inBytes('shown', Buffer.from(shown + later))]).toEqual([]);
  });
});

/** Everything that a build has left on disk; the secrets themselves are where the user has them. */
function searchRig({ folder }: SlipwayRig): string[] {
  return SEARCH.below(folder, [`${folder}/home/secrets`, `${folder}/home/.docker`]);
}

/** Standard output and error; of events the bytes in them as well. */
function searchOutput(log: string, stdout: Buffer, stderr: string): string[] {
  const events = [...`${stdout}${stderr}`.matchAll(/"data":"([^"]*)"/g)].map(([, data = '']) => data);
  const said = Buffer.concat(events.map((data) => Buffer.from(data, 'base64')));
  return [
    ...SEARCH.inBytes(`${log}, output`, stdout),
    ...SEARCH.inBytes(`${log}, errors`, Buffer.from(stderr)),
    ...SEARCH.inBytes(`${log}, events`, said),
  ];
}

function lendSecrets(rig: SlipwayRig, registry?: TestRegistry): void {
  const home = `${rig.folder}/home`;
  for (const folder of ['secrets', '.docker']) mkdirSync(`${home}/${folder}`, { mode: 0o755 });
  writeFileSync(`${home}/secrets/file`, CANARIES.file);
  writeFileSync(`${home}/secrets/key`, KEY);
  writeFileSync(`${home}/secrets/token`, CANARIES.gitToken);
  // Of another user, where an ordinary one builds: but for them a key is for nobody else's eyes.
  for (const name of ['file', 'key', 'token']) chmodSync(`${home}/secrets/${name}`, 0o644);
  const auth = Buffer.from(`me:${CANARIES.registry}`).toString('base64');
  const auths = registry === undefined ? {} : { [registry.host]: { auth } };
  writeFileSync(`${home}/.docker/config.json`, JSON.stringify({ auths }));
}

function secretArguments(rig: SlipwayRig, isolation: string): string[] {
  const secrets = `${rig.folder}/home/secrets`;
  return [
    `--isolation=${isolation}`,
    ...[
      '--secret',
      `id=file,src=${secrets}/file`,
      '--secret',
      'id=env,env=FROM_ENV',
      '--secret',
      'id=variable,env=VARIABLE',
    ],
    ...['--ssh', `default=${secrets}/key`],
  ];
}

async function startServers(): Promise<Servers & AsyncDisposable> {
  const git = await startGitServer();
  const registry = await startRegistry({ auth: { kind: 'basic', user: 'me', password: CANARIES.registry } });
  addImage(registry, 'team/base', 'latest', makeImage());
  const page = createServer((request, response) => {
    const isKnown = request.headers.authorization === `Basic ${Buffer.from(`me:${CANARIES.web}`).toString('base64')}`;
    response.writeHead(isKnown ? 200 : 401).end('of the web');
  });
  const web = `http://me:${CANARIES.web}@127.0.0.1:${await listen(page)}/web`;
  return {
    git,
    registry,
    web,
    [Symbol.asyncDispose]: async () => {
      await close(page);
      await registry[Symbol.asyncDispose]();
      await git[Symbol.asyncDispose]();
    },
  };
}
