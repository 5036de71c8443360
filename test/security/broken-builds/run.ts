/**
 * Breaks slipway on purpose, one hole after the other, and demands that the tests of test/security notice each:
 *
 *     node test/security/broken-builds/run.ts [REGEXP…]
 *
 * Takes those whose threat or description matches one of the expressions, or all. Each hole is made in a copy of the working tree; the same tests
 * have to pass there without it. Prints a Markdown row for each, and ends with 1 where a hole was not noticed. No part of the normal
 * test run: it takes minutes.
 */
import type { BrokenBuild } from './broken-build.ts';
import { INPUT_BREAKS } from './input-breaks.ts';
import { MOUNT_BREAKS } from './mount-breaks.ts';
import { copyProject, type ProjectCopy, type TestOutcome } from './project-copy.ts';
import { RIGHTS_BREAKS } from './rights-breaks.ts';

const wanted = process.argv.slice(2).map((text) => new RegExp(text, 'i'));
const builds = [...MOUNT_BREAKS, ...RIGHTS_BREAKS, ...INPUT_BREAKS].filter(
  ({ threat, breaks }) => wanted.length === 0 || wanted.some((pattern) => pattern.test(`${threat} ${breaks}`)),
);

using project = copyProject();
const controls = new Map<string, string | undefined>();
let unnoticed = 0;
for (const build of builds) {
  const problem = problemOf(project, build);
  if (problem !== undefined) unnoticed += 1;
  console.log(`| ${build.threat} | ${build.breaks} | \`${build.file}\` | ${problem ?? 'noticed'} |`);
}
console.log(`${builds.length - unnoticed} of ${builds.length} holes were noticed.`);
process.exitCode = unnoticed === 0 && builds.length > 0 ? 0 : 1;

/** Why the hole does not count as noticed; undefined where it does. */
function problemOf(copy: ProjectCopy, { patches, file, tests }: BrokenBuild): string | undefined {
  const key = `${file} ${tests}`;
  if (!controls.has(key)) controls.set(key, controlProblem(copy.test(file, tests)));
  const control = controls.get(key);
  if (control !== undefined) return control;
  const { failed, broken } = copy.patched(patches, () => copy.test(file, tests));
  if (broken.length > 0) return '**the tests could not be loaded**';
  return failed.length > 0 ? undefined : '**not noticed**';
}

function controlProblem({ passed, failed, broken }: TestOutcome): string | undefined {
  if (failed.length > 0 || broken.length > 0) return `**fails without it**: ${[...failed, ...broken].join('; ')}`;
  return passed.length === 0 ? '**no test has this name, or it was skipped**' : undefined;
}
