import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { digestOfJson } from '../../core/digest.ts';
import { compileSeccompFilter, seccompLibraryVersion } from './compile-filter.ts';
import type { SeccompProfile } from './default-profile.ts';

/** The annotation of a container by which crun, and the native runtime, take a compiled filter: in base64. */
export const SECCOMP_PROGRAM_ANNOTATION = 'run.oci.seccomp_bpf_data';

/**
 * The profile as a BPF program (`struct sock_filter[]`), compiled once and kept in `folder`, named by the profile and the library that
 * made it; undefined where libseccomp is not installed.
 */
export function seccompProgram(profile: SeccompProfile, folder: string): Buffer | undefined {
  const version = seccompLibraryVersion();
  if (version === undefined) return undefined;
  const name = digestOfJson({ version, profile }).replace('sha256:', 'seccomp-');
  const path = `${folder}/${name}.bpf`;
  if (existsSync(path)) return readFileSync(path);
  const program = compileSeccompFilter(profile);
  if (program === undefined) return undefined;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${path}.${process.pid}`, program, { flush: true });
  renameSync(`${path}.${process.pid}`, path);
  return program;
}
