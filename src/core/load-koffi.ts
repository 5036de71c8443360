import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

type Koffi = typeof import('koffi');

let loaded: Koffi | undefined;

/**
 * The foreign function interface. Its package looks for its binary in ways that take 8 ms; on Linux with glibc the binary lies in a package
 * beside it and is loaded from there in 1 ms. Anywhere else the package finds it.
 */
export function loadKoffi(): Koffi {
  loaded ??= load(createRequire(import.meta.url));
  return loaded;
}

function load(require: NodeJS.Require): Koffi {
  const koffi = require.resolve('koffi');
  const binary = `${dirname(koffi)}/../@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;
  return (existsSync(binary) ? require(binary) : require(koffi)) as Koffi;
}
