import { locationJson } from '../lint/format-check.ts';
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

/** An outline in BuildKit's structure (`frontend/subrequests/outline`). */
export function outlineJson({ name, description, args, secrets, ssh }: Outline, dockerfile: DockerfileText): unknown {
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...listJson('args', args.map(argJson)),
    ...listJson('secrets', secrets.map(mountJson)),
    ...listJson('ssh', ssh.map(mountJson)),
    sources: [Buffer.from(dockerfile.text).toString('base64')],
  };
}

/** A list of targets in BuildKit's structure (`frontend/subrequests/targets`). */
export function targetsJson(targets: readonly Target[], dockerfile: DockerfileText): unknown {
  return {
    targets: targets.map(({ name, isDefault, description, base, platform, line }) => ({
      ...(name === undefined ? {} : { name }),
      ...(isDefault ? { default: true } : {}),
      ...(description === undefined ? {} : { description }),
      base,
      ...(platform === undefined ? {} : { platform }),
      location: locationJson({ startLine: line, endLine: line }),
    })),
    sources: [Buffer.from(dockerfile.text).toString('base64')],
  };
}

interface DockerfileText {
  readonly text: string;
}

/** Empty lists are left out. */
function listJson(name: string, list: readonly unknown[]): Readonly<Record<string, unknown>> {
  return list.length === 0 ? {} : { [name]: list };
}

function argJson({ name, description, value, line }: Outline['args'][number]): unknown {
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(value === undefined ? {} : { value }),
    location: locationJson({ startLine: line, endLine: line }),
  };
}

function mountJson({ name, required, line }: OutlineMount): unknown {
  return { name, ...(required ? { required } : {}), location: locationJson({ startLine: line, endLine: line }) };
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
