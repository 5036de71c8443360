import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';

/** Copies programs of this machine into a folder that becomes a root, with the libraries that they load and `further` paths. */
export function copyPrograms(root: string, programs: readonly string[], further: readonly string[] = []): void {
  const libraries = [...programs, ...further.flatMap(sharedObjects)].flatMap(librariesOf);
  for (const path of new Set([...programs, ...libraries, ...further])) copy(path, root);
}

function copy(path: string, root: string): void {
  const target = `${root}${path}`;
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  cpSync(realpathSync(path), target, { recursive: true, dereference: true });
}

function sharedObjects(folder: string): string[] {
  const { stdout } = spawnSync('find', [folder, '-name', '*.so'], { encoding: 'utf8' });
  return stdout.split('\n').filter((path) => path !== '');
}

/** ldd(1). */
function librariesOf(program: string): string[] {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}
