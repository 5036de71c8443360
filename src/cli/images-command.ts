import { formatBytes } from '../core/format-bytes.ts';
import type { ListedImage } from '../images.ts';
import { printableLine } from '../progress/printable.ts';
import { BUILD_OPTIONS } from './build-options.ts';
import { invalidOption } from './options/invalid-option.ts';
import type { CommandShape } from './parse-arguments.ts';
import { print, runOnRequest } from './run-on-request.ts';

const STORE_OPTIONS = BUILD_OPTIONS.filter(({ name }) => name === 'root' || name === 'debug');

const LIST_COMMAND: CommandShape = {
  name: 'images',
  description:
    'Lists the images in the store. slipway images rm IMAGE removes the name of one; prune frees what it was made of.',
  options: [{ name: 'format', kind: 'value', value: 'FORMAT', help: 'text or json (default: text)' }, ...STORE_OPTIONS],
  operand: 'none',
};

const REMOVE_COMMAND: CommandShape = {
  name: 'images rm',
  description: 'Removes the name of an image from the store. slipway prune frees what only this image was made of.',
  options: STORE_OPTIONS,
  operand: { name: 'IMAGE', otherwise: '' },
};

/** `slipway images` and `slipway images rm`: resolves to the exit status (0 done, 1 failed, 2 the command line is wrong). */
export function runImagesCommand(args: readonly string[]): Promise<number> {
  return args[0] === 'rm' ? remove(args.slice(1)) : list(args);
}

function list(args: readonly string[]): Promise<number> {
  return runOnRequest(args, LIST_COMMAND, async ({ request, ownOption }) => {
    const format = ownOption('format') ?? 'text';
    if (format !== 'text' && format !== 'json') throw invalidOption('--format', `"${format}": expected text or json`);
    const { listImages } = await import('../images.ts');
    const images = listImages(request.root);
    await print(format === 'json' ? `${JSON.stringify(images, undefined, 2)}\n` : table(images));
    return 0;
  });
}

function remove(args: readonly string[]): Promise<number> {
  return runOnRequest(args, REMOVE_COMMAND, async ({ request, operand }) => {
    if (operand === '') throw invalidOption('IMAGE', 'slipway images rm needs the name of an image');
    const { removeImage } = await import('../images.ts');
    removeImage(request.root, operand);
    return 0;
  });
}

const SHORT_DIGEST = 'sha256:'.length + 12;

function table(images: readonly ListedImage[]): string {
  const rows = images.map(({ reference, digest, bytes, created = '' }) => [
    reference,
    digest.slice(0, SHORT_DIGEST),
    formatBytes(bytes),
    printableLine(created.slice(0, 'YYYY-MM-DD'.length)),
  ]);
  const all = [['IMAGE', 'DIGEST', 'SIZE', 'CREATED'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}
