import { createInterface } from 'node:readline/promises';
import { isatty } from 'node:tty';
import { SlipwayError } from '../core/errors.ts';
import { formatBytes } from '../core/format-bytes.ts';
import type { PruneReport } from '../prune.ts';
import { BUILD_OPTIONS } from './build-options.ts';
import { invalidOption } from './options/invalid-option.ts';
import { parseSize } from './options/size.ts';
import { parseUntil } from './options/until.ts';
import type { CommandShape } from './parse-arguments.ts';
import { print, type RequestScope, runOnRequest } from './run-on-request.ts';

const PRUNE_COMMAND: CommandShape = {
  name: 'prune',
  description:
    'Removes from the store what no running build uses: results, layers, cache mounts, downloads, failed steps. Images keep what they are made of, unless --all removes them.',
  options: [
    { name: 'all', short: 'a', kind: 'switch', help: 'remove images too; not while a build is running' },
    { name: 'filter', kind: 'list', value: 'until=AGE', help: 'only what was not used for so long: until=24h' },
    { name: 'force', short: 'f', kind: 'switch', help: 'do not ask' },
    {
      name: 'keep-storage',
      kind: 'value',
      value: 'SIZE',
      help: 'keep so much of the cache, of what was used last: 10g',
    },
    ...BUILD_OPTIONS.filter(({ name }) => name === 'root' || name === 'debug'),
  ],
  operand: 'none',
};

/** `slipway prune`: resolves to the exit status (0 done, 1 failed or refused, 2 the command line is wrong). */
export function runPruneCommand(args: readonly string[]): Promise<number> {
  return runOnRequest(args, PRUNE_COMMAND, async (scope) => {
    const all = isOn(scope, 'all');
    const size = scope.ownOption('keep-storage');
    if (all && size !== undefined) throw invalidOption('--keep-storage', 'cannot be used together with --all');
    const age = parseUntil(scope.ownOptions('filter'));
    if (!isOn(scope, 'force') && !(await isConfirmed(scope.request.root, all))) return 1;
    const { pruneStore } = await import('../prune.ts');
    const report = pruneStore(scope.request.root, {
      images: all ? 'remove' : 'keep',
      // Without a filter, what was used a moment ago goes too.
      unusedSince: age === undefined ? Number.POSITIVE_INFINITY : Date.now() - age,
      ...(size === undefined ? {} : { keepBytes: parseSize('--keep-storage', size) }),
    });
    await print(reportText(report));
    return 0;
  });
}

function isOn({ ownOption }: RequestScope, name: string): boolean {
  const text = ownOption(name) ?? 'false';
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalidOption(`--${name}`, `"${text}": expected true or false`);
}

async function isConfirmed(root: string, all: boolean): Promise<boolean> {
  if (!isatty(0))
    throw new SlipwayError(
      'SLIPWAY_CONFIRMATION_MISSING',
      'slipway prune asks before it removes, and there is nobody to ask',
      {
        hint: 'add --force',
      },
    );
  using terminal = createInterface({ input: process.stdin, output: process.stderr });
  const what = all ? 'all images and the whole build cache' : 'the whole build cache but images';
  return /^y(es)?$/i.test((await terminal.question(`Remove ${what} in ${root}? [y/N] `)).trim());
}

function reportText(report: PruneReport): string {
  const counts: readonly (readonly [number, string, string])[] = [
    [report.images, 'image', 'images'],
    [report.records, 'result', 'results'],
    [report.layers, 'layer', 'layers'],
    [report.blobs, 'blob', 'blobs'],
    [report.cacheMounts, 'cache mount', 'cache mounts'],
    [report.gitRepositories, 'Git repository', 'Git repositories'],
    [report.failedSteps, 'failed step', 'failed steps'],
  ];
  const removed = counts.flatMap(([count, one, many]) => (count === 0 ? [] : [`${count} ${count === 1 ? one : many}`]));
  return `removed: ${removed.length === 0 ? 'nothing' : removed.join(', ')}\nfreed: ${formatBytes(report.bytes)}\n`;
}
