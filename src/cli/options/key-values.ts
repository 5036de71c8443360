import { invalidOption } from './invalid-option.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `--build-arg NAME=VALUE` and `--build-arg NAME`, which takes the value from the environment; a name that is not there either is left
 * out, as docker does.
 */
export function parseBuildArgs(values: readonly string[], env: Environment): Record<string, string> {
  const args: Record<string, string> = {};
  for (const text of values) {
    const [name, value] = split('--build-arg', text);
    const found = value ?? env[name];
    if (found !== undefined) args[name] = found;
  }
  return args;
}

/** `--label KEY=VALUE`; without a value it is the empty text. */
export function parseLabels(values: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    values.map((text) => {
      const [name, value = ''] = split('--label', text);
      return [name, value];
    }),
  );
}

function split(option: string, text: string): readonly [name: string, value: string | undefined] {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  if (name === '') throw invalidOption(option, `"${text}": the name is empty`);
  return [name, equals < 0 ? undefined : text.slice(equals + 1)];
}
