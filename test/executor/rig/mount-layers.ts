/**
 * A program that mounts many layers in a mount namespace of its own and prints what it finds in them. Arguments: a folder, the number of
 * layers, and the error that the new mount calls shall fail with (`none` for the kernel's own answer).
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { syscalls } from '../../../src/core/syscalls.ts';
import { containerSyscalls } from '../../../src/executor/container-syscalls.ts';
import { mountOverlay } from '../../../src/executor/overlay.ts';

const [, , folder = '', count = '', failure = 'none'] = process.argv;
if (failure !== 'none') {
  containerSyscalls().mountByParameters = () => {
    throw Object.assign(new Error(failure), { code: failure });
  };
}
// Every character that the options of overlayfs give a meaning, in names of the length that a store has.
const lowerDirs = Array.from({ length: Number(count) }, (_, index) => `${folder}/a,b:c\\d/${'0'.repeat(60)}${index}`);
for (const [index, lower] of lowerDirs.entries()) {
  mkdirSync(lower, { recursive: true });
  writeFileSync(`${lower}/${index}`, '');
  writeFileSync(`${lower}/same`, String(index));
}
const [upperDir, workDir, target, scratch] = ['upper', 'work', 'target', 'scratch'].map((name) => {
  mkdirSync(`${folder}/${name}`);
  return `${folder}/${name}`;
}) as [string, string, string, string];
syscalls().enterMountNamespace();
mountOverlay(target, { lowerDirs, upper: { upperDir, workDir }, xattrs: 'trusted' }, scratch);
console.log(readdirSync(target).length, readFileSync(`${target}/same`, 'utf8'));
