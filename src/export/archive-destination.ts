import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { SlipwayError } from '../core/errors.ts';
import type { Destination } from './destination.ts';
import type { OutputSpec } from './output-spec.ts';

export interface Surroundings {
  /** What relative destinations are relative to. */
  readonly cwd: string;
  /** Takes what `dest=-` writes. */
  readonly stdout?: NodeJS.WritableStream;
}

/** Where an output that is one file goes: `dest`, or standard output for `-` and for none; never onto a terminal. */
export function archiveDestination(spec: OutputSpec, { cwd, stdout }: Surroundings): Destination {
  if (spec.dest !== undefined && spec.dest !== '-') {
    const path = resolve(cwd, spec.dest);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw invalid(spec, `destination file ${spec.dest} is a folder`);
    return { kind: 'file', path };
  }
  if (stdout === undefined) throw invalid(spec, 'needs dest=FILE, because there is no standard output to write to');
  if ('isTTY' in stdout && stdout.isTTY === true)
    throw invalid(spec, 'needs dest=FILE: an archive is not written onto a terminal');
  return { kind: 'stream', stream: stdout };
}

/** The folder that an output of many files goes to. */
export function folderDestination(spec: OutputSpec, { cwd }: Surroundings): string {
  if (spec.dest === undefined || spec.dest === '') throw invalid(spec, 'needs dest=FOLDER');
  if (spec.dest === '-')
    throw invalid(spec, 'is many files, which standard output cannot take: name a folder with dest=');
  const path = resolve(cwd, spec.dest);
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isDirectory())
    throw invalid(spec, `destination folder ${spec.dest} is a file`);
  return path;
}

function invalid(spec: OutputSpec, problem: string): SlipwayError {
  return new SlipwayError('SLIPWAY_OPTION_INVALID', `--output type=${spec.type}: ${problem}`);
}
