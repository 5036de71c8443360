import type { Outline, OutlineMount } from './outline.ts';
import type { Target } from './targets.ts';

/** An outline as text, laid out as BuildKit lays it out. */
export function formatOutline({ name, description, args, secrets, ssh }: Outline): string {
  const head = [
    ['TARGET:', name ?? '(default)'],
    ...(description === undefined ? [] : [['DESCRIPTION:', description]]),
  ];
  return [
    ...(name === undefined && description === undefined ? [] : [table(head, 1)]),
    ...(args.length === 0
      ? []
      : [
          table(
            [
              ['BUILD ARG', 'VALUE', 'DESCRIPTION'],
              ...args.map((arg) => [arg.name, arg.value ?? '', arg.description ?? '']),
            ],
            3,
          ),
        ]),
    ...(secrets.length === 0 ? [] : [table([['SECRET', 'REQUIRED'], ...secrets.map(mountRow)], 3)]),
    ...(ssh.length === 0 ? [] : [table([['SSH', 'REQUIRED'], ...ssh.map(mountRow)], 3)]),
  ]
    .map((section) => `${section}\n`)
    .join('');
}

/** A list of targets as text, laid out as BuildKit lays it out. */
export function formatTargets(targets: readonly Target[]): string {
  const rows = targets.map(({ name, isDefault, description = '' }) => {
    const shown = name === undefined ? (isDefault ? '(default)' : '') : `${name}${isDefault ? ' (default)' : ''}`;
    return [shown, description];
  });
  return table([['TARGET', 'DESCRIPTION'], ...rows], 1);
}

function mountRow({ name, required }: OutlineMount): readonly string[] {
  return [name, required ? 'true' : ''];
}

/** Rows in columns as wide as their widest cell and `gap` spaces; the last column is not filled up. */
function table(rows: readonly (readonly string[])[], gap: number): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)) + gap);
  const lines = rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join(''),
  );
  return lines.map((line) => `${line}\n`).join('');
}
