import type { FrontendRequest, NamedContext } from '../frontend/frontend.ts';
import type { BuildRequest } from './build-request.ts';
import type { BuildInput } from './context/open-build-input.ts';
import { hostPlatform, type Platform } from './core/platform.ts';

/** The kind of a `--build-context` by its form, in buildx's words. */
export function namedContextOf(where: string): NamedContext {
  if (where.startsWith('docker-image://')) return { kind: 'image', ref: where.slice('docker-image://'.length) };
  if (where.startsWith('oci-layout://')) return ociLayout(where.slice('oci-layout://'.length));
  if (/^(git@|git:\/\/|ssh:\/\/)/.test(where) || /^https?:\/\/[^#?]*\.git([#?]|$)/.test(where))
    return { kind: 'git', url: where };
  if (/^https?:\/\//.test(where)) return { kind: 'url', url: where };
  return { kind: 'local' };
}

/** `PATH`, `PATH:TAG`, `PATH@DIGEST`; a colon may also stand in the path, before its last slash. */
function ociLayout(text: string): NamedContext {
  const at = text.indexOf('@');
  if (at >= 0) return { kind: 'oci-layout', path: text.slice(0, at), reference: text.slice(at) };
  const colon = text.indexOf(':', text.lastIndexOf('/') + 1);
  if (colon < 0) return { kind: 'oci-layout', path: text, reference: '' };
  return { kind: 'oci-layout', path: text.slice(0, colon), reference: text.slice(colon) };
}

/** What the frontend is told of a request, for one of its platforms. */
export function frontendRequest(
  request: BuildRequest,
  { dockerfile, context: { ignore } }: BuildInput,
  platform: Platform | undefined,
): FrontendRequest {
  const { network, allow, epoch, shmSizeBytes, resources, cgroupParent, target } = request;
  return {
    dockerfile,
    buildArgs: request.buildArgs,
    labels: request.labels,
    platform: platform ?? hostPlatform(),
    buildPlatform: hostPlatform(),
    contexts: Object.fromEntries(
      Object.entries(request.buildContexts).map(([name, where]) => [name, namedContextOf(where)]),
    ),
    noCache: request.noCache ? 'all' : request.noCacheFilter,
    network: network === 'default' ? 'sandbox' : network,
    entitlements: {
      networkHost: allow.includes('network.host'),
      securityInsecure: allow.includes('security.insecure'),
    },
    extraHosts: request.addHosts,
    ulimits: request.ulimits,
    ...(request.dns === undefined ? {} : { dns: request.dns }),
    ...(target === undefined ? {} : { target }),
    ...(shmSizeBytes === undefined ? {} : { shmSizeBytes }),
    ...(resources === undefined ? {} : { resources }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(ignore === undefined ? {} : { contextIgnore: ignore }),
    implicitPlatform: platform === undefined,
    multiPlatform: request.platforms.length > 1,
  };
}
