import { SlipwayError } from '../../src/core/errors.ts';
import { parseReference } from '../../src/core/reference.ts';
import type { Dockerfile } from '../instructions/instruction.ts';
import { readDirectives } from './directives.ts';

/** The images of Dockerfile's own frontend, whose every version this frontend stands in for. */
const OWN_IMAGES = new Set(['docker.io/docker/dockerfile', 'docker.io/docker/dockerfile-upstream']);

/**
 * Throws SLIPWAY_SYNTAX_FOREIGN where a text is not meant for this frontend: `# syntax=` or, before it, the build argument
 * BUILDKIT_SYNTAX names another image than docker/dockerfile.
 */
export function checkSyntax(
  { file, text, syntax }: Dockerfile,
  { BUILDKIT_SYNTAX: argument }: Readonly<Record<string, string>>,
): void {
  const image = argument?.trim().split(' ', 1)[0] || syntax;
  if (image === undefined || isOwn(image)) return;
  const line = readDirectives(text).find(({ name }) => name === 'syntax')?.line ?? 1;
  const isWritten = !argument;
  throw new SlipwayError(
    'SLIPWAY_SYNTAX_FOREIGN',
    `${isWritten ? '# syntax=' : 'the build argument BUILDKIT_SYNTAX='}${image} asks for a frontend that slipway does not run`,
    {
      hint: 'slipway has the frontend of docker/dockerfile built in, in its newest version, and runs no frontend images: build this with BuildKit, or take the line out if the file is an ordinary Dockerfile',
      ...(isWritten ? { source: { range: { file, startLine: line, endLine: line }, text } } : {}),
    },
  );
}

function isOwn(image: string): boolean {
  try {
    const { domain, path } = parseReference(image);
    return OWN_IMAGES.has(`${domain}/${path}`);
  } catch (error) {
    if (error instanceof SlipwayError) return false;
    throw error;
  }
}
