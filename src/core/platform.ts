import { SlipwayError } from './errors.ts';

/** What an image runs on (OCI image spec, image-index.md, "platform"), in Go's names: `linux`, `amd64`, `arm64`/`v8`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

const ARCHITECTURES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  i386: ['386'],
  i686: ['386'],
  x64: ['amd64'],
  ia32: ['386'],
  ppc64: ['ppc64le'],
};

/** The platform of the machine that slipway runs on. */
export function hostPlatform(): Platform {
  return parsePlatform(`linux/${process.arch === 'arm' ? 'arm/v7' : process.arch}`);
}

/**
 * Reads `os[/architecture[/variant]]`, `architecture` alone, or `local`, with containerd's normalisation
 * (`x86_64` is `amd64`, `arm64/v8` is `arm64`, `arm` is `arm/v7`).
 */
export function parsePlatform(text: string): Platform {
  const invalid = (why: string) =>
    new SlipwayError('SLIPWAY_PLATFORM_INVALID', `"${text}" is an invalid platform: ${why}`, {
      hint: 'write it as os/architecture[/variant], for instance linux/amd64 or linux/arm64',
    });
  if (text === 'local') return hostPlatform();
  const parts = text.split('/').map((part) => part.toLowerCase());
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part)))
    throw invalid(text === '' ? 'it is empty' : 'expected words of letters, digits, "_", "." and "-" between slashes');
  const [first = '', second, variant] = parts;
  const host = process.arch === 'x64' ? 'amd64' : process.arch;
  if (second === undefined) {
    if (['linux', 'windows', 'darwin', 'freebsd', 'wasip1', 'js'].includes(first))
      return normalise({ os: first, architecture: host });
    if (!KNOWN_ARCHITECTURES.has(first) && ARCHITECTURES[first] === undefined)
      throw invalid('unknown operating system or architecture');
    return normalise({ os: 'linux', architecture: first });
  }
  return normalise({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
}

const KNOWN_ARCHITECTURES = new Set(
  'amd64 arm64 arm 386 ppc64le s390x riscv64 mips64le mips64 mipsle mips loong64 wasm ppc64 sparc64'.split(' '),
);

/** The platform in containerd's normal form, so that equal platforms compare equal. */
export function normalise(platform: Platform): Platform {
  const [architecture, implied] = ARCHITECTURES[platform.architecture] ?? [platform.architecture];
  let variant = platform.variant ?? implied;
  if (architecture === 'arm64' && (variant === 'v8' || variant === '8')) variant = undefined;
  if (architecture === 'amd64' && variant === 'v1') variant = undefined;
  if (architecture === 'arm') variant = variant === undefined ? 'v7' : variant.replace(/^(\d)$/, 'v$1');
  const { variant: _dropped, ...rest } = platform;
  return {
    ...rest,
    os: platform.os === 'macos' ? 'darwin' : platform.os,
    architecture,
    ...(variant ? { variant } : {}),
  };
}

/** `linux/amd64`, `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, ...(platform.variant ? [platform.variant] : [])].join('/');
}

/** Whether both name the same platform after normalisation (os version and features aside). */
export function samePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(normalise(a)) === formatPlatform(normalise(b));
}
