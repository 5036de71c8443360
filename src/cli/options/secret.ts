import type { SecretSpec } from '../../build.ts';
import { csvPairs } from './csv-fields.ts';
import { invalidOption } from './invalid-option.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `--secret id=ID[,src=FILE|,env=NAME][,type=file|env]`. Without a source it is the environment variable of that name where there is
 * one, else the file of that name. A later one of the same id replaces an earlier.
 */
export function parseSecrets(values: readonly string[], env: Environment): readonly SecretSpec[] {
  return [...new Map(values.map((text) => parseSecret(text, env)).map((secret) => [secret.id, secret])).values()];
}

function parseSecret(text: string, env: Environment): SecretSpec {
  const given = new Map<string, string>();
  for (const [key, value] of csvPairs('--secret', text)) {
    const name = key === 'source' ? 'src' : key;
    if (!['type', 'id', 'src', 'env'].includes(name))
      throw invalidOption('--secret', `"${text}": unknown key "${key}"`, 'the keys are: id, src, env, type');
    given.set(name, value);
  }
  const id = given.get('id') ?? '';
  if (id === '') throw invalidOption('--secret', `"${text}": the id is missing`);
  return { id, source: secretSource(text, id, given, env) };
}

function secretSource(
  text: string,
  id: string,
  given: ReadonlyMap<string, string>,
  env: Environment,
): SecretSpec['source'] {
  const [type, file, variable] = [given.get('type'), given.get('src'), given.get('env')];
  if (type !== undefined && type !== 'file' && type !== 'env')
    throw invalidOption('--secret', `"${text}": unknown type "${type}", expected file or env`);
  if (file !== undefined && variable !== undefined)
    throw invalidOption('--secret', `"${text}": has both a file and an environment variable`);
  if (variable !== undefined) return { env: variable };
  if (type === 'env') return { env: file ?? id };
  if (file !== undefined) return { file };
  return type === undefined && env[id] !== undefined ? { env: id } : { file: id };
}
