import { SlipwayError } from '../../core/errors.ts';
import { formatPlatform, parsePlatform } from '../../core/platform.ts';
import { familiarReference, formatReference, parseReference } from '../../core/reference.ts';
import { invalidOption } from './invalid-option.ts';

/** `--tag NAME[:TAG]` in full: `docker.io/library/app:latest`. */
export function parseTags(values: readonly string[]): readonly string[] {
  const tags = values.map((text) => {
    const reference = asOption('--tag', () => parseReference(text));
    if (reference.digest !== undefined) throw invalidOption('--tag', `"${text}": a digest cannot be given to an image`);
    return formatReference(reference);
  });
  return [...new Set(tags)];
}

/** `--platform OS/ARCH[/VARIANT][,…]` in normal form, each once. */
export function parsePlatforms(values: readonly string[]): readonly string[] {
  const names = values.flatMap((value) => value.split(',')).map((text) => text.trim());
  const given = names.filter((text) => text !== '');
  return [...new Set(given.map((text) => asOption('--platform', () => formatPlatform(parsePlatform(text)))))];
}

/** `--build-context NAME=WHERE`; names are as docker shows image names, without `:latest`. */
export function parseBuildContexts(values: readonly string[]): Readonly<Record<string, string>> {
  const contexts: Record<string, string> = {};
  for (const text of values) {
    const equals = text.indexOf('=');
    if (equals <= 0)
      throw invalidOption('--build-context', `"${text}": expected NAME=FOLDER or NAME=docker-image://REF`);
    const reference = asOption('--build-context', () => parseReference(text.slice(0, equals)));
    contexts[familiarReference(reference).replace(/:latest$/, '')] = text.slice(equals + 1);
  }
  return contexts;
}

/** Turns the error of a parser that knows no options into one of this option. */
function asOption<Value>(option: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code.startsWith('SLIPWAY_OPTION_')) throw error;
    throw invalidOption(option, error.message, error.hint);
  }
}
