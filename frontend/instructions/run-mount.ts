import { SlipwayError } from '../../src/core/errors.ts';
import { parseByteSize, parseGoBoolean, parseGoUint32 } from '../../src/core/go-literals.ts';
import { suggest } from '../../src/core/suggest.ts';
import { parseCsvFields } from './csv-fields.ts';
import type { RunMount, RunMountFlag, RunMountType } from './instruction.ts';

const TYPES: readonly RunMountType[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];
const SHARING = ['shared', 'private', 'locked'] as const;

const KEYS = [
  ...['type', 'from', 'source', 'target', 'readonly', 'id', 'sharing', 'required', 'size', 'mode', 'uid', 'gid', 'env'],
  ...['src', 'dst', 'destination', 'ro', 'rw', 'readwrite'],
];

/** A mount while its fields are read one after the other; later fields see what earlier ones said. */
type Draft = { -readonly [Key in keyof RunMount]?: RunMount[Key] | undefined } & { type: RunMountType };

/** What of a `--mount` matters before expansion: where it mounts from. Throws SlipwayError for a variable there and for bad CSV. */
export function parseRunMountFlag(written: string): RunMountFlag {
  let from: string | undefined;
  for (const field of fieldsOf(written)) {
    const { key, value } = cutField(field);
    if (key !== 'from' || value === undefined) continue;
    const dollar = value.indexOf('$');
    if (dollar !== -1 && dollar !== value.length - 1)
      throw invalid("'from' doesn't support variable expansion, define alias stage instead", {
        hint: `add FROM ${value} AS NAME with an ARG before the first FROM, and mount from=NAME`,
      });
    from = value;
  }
  return { written, ...(from === undefined ? {} : { from }) };
}

/** The whole `--mount`, each value expanded by `expand`. Throws SlipwayError for everything that BuildKit's parseMount refuses. */
export function parseRunMount(written: string, expand: (value: string) => string): RunMount {
  const draft: Draft = { type: 'bind' };
  for (const field of fieldsOf(written)) {
    const { key, value } = cutField(field);
    if (value === undefined) readBareField(draft, key, field);
    else readField(draft, { key, value: expand(value), field });
  }
  checkCombination(draft);
  const { readonly, required, ...given } = draft;
  return {
    ...defined(given),
    type: draft.type,
    readonly: readonly ?? (draft.type !== 'cache' && draft.type !== 'tmpfs'),
    required: required ?? false,
    written,
  };
}

function fieldsOf(written: string): readonly string[] {
  const fields = parseCsvFields(written);
  if ('problem' in fields) throw invalid(`failed to parse csv mounts: ${fields.problem}`);
  return fields;
}

function cutField(field: string): { readonly key: string; readonly value: string | undefined } {
  const equals = field.indexOf('=');
  if (equals === -1) return { key: field.toLowerCase(), value: undefined };
  return { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1) };
}

function readBareField(draft: Draft, key: string, field: string): void {
  if (key === 'readonly' || key === 'ro') draft.readonly = true;
  else if (key === 'readwrite' || key === 'rw') draft.readonly = false;
  else if (key === 'required') draft.required = forTypes(draft, 'required', ['secret', 'ssh'], true);
  else throw invalid(`invalid field '${field}' must be a key=value pair`);
}

interface Field {
  readonly key: string;
  readonly value: string;
  readonly field: string;
}

function readField(draft: Draft, { key, value, field }: Field): void {
  switch (key) {
    case 'type':
      draft.type = oneOf(value, TYPES, 'unsupported mount type');
      return;
    case 'from':
    case 'id':
    case 'env':
      draft[key] = value;
      return;
    case 'source':
    case 'src':
      draft.source = value;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      draft.target = value;
      return;
    case 'readonly':
    case 'ro':
      draft.readonly = boolean(key, value);
      return;
    case 'readwrite':
    case 'rw':
      draft.readonly = !boolean(key, value);
      return;
    case 'required':
      draft.required = forTypes(draft, key, ['secret', 'ssh'], boolean(key, value));
      return;
    case 'size':
      draft.sizeBytes = forTypes(draft, key, ['tmpfs'], size(value));
      return;
    case 'sharing':
      draft.sharing = oneOf(value, SHARING, 'unsupported sharing value');
      return;
    case 'mode':
    case 'uid':
    case 'gid':
      draft[key] = number(key, value);
      return;
    default:
      throw unexpectedKey(key, field);
  }
}

function checkCombination({ type, ...mount }: Draft): void {
  for (const key of ['mode', 'uid', 'gid'] as const)
    if (mount[key] !== undefined && (type === 'bind' || type === 'tmpfs'))
      throw invalid(`${key} not allowed for "${type}" type mounts`);
  if (type === 'secret') {
    if (mount.from) throw invalid('secret mount should not have a from');
    if (mount.sharing) throw invalid('secret mount should not define sharing');
    if (!mount.source && !mount.target && !mount.id)
      throw invalid('invalid secret mount. one of source, target required', { hint: 'give the secret an id=NAME' });
    if (mount.source && mount.id) throw invalid("both source and id can't be set");
  }
  if (mount.sharing && type !== 'cache') throw invalid(`invalid cache sharing set for ${type} mount`);
}

function forTypes<T>(draft: Draft, key: string, types: readonly RunMountType[], value: T): T {
  if (types.includes(draft.type)) return value;
  throw invalid(`unexpected key '${key}' for mount type '${draft.type}'`, {
    hint: `${key} is for ${types.join(' and ')} mounts; type= stands before it`,
  });
}

function oneOf<T extends string>(value: string, allowed: readonly T[], problem: string): T {
  const found = allowed.find((candidate) => candidate === value.toLowerCase());
  if (found !== undefined) return found;
  const meant = suggest(value, allowed);
  throw invalid(`${problem} "${value}"`, {
    hint: meant === undefined ? `it is one of ${allowed.join(', ')}` : `did you mean ${meant}?`,
  });
}

function boolean(key: string, value: string): boolean {
  const read = parseGoBoolean(value);
  if (read === undefined) throw invalid(`invalid value for ${key}: ${value}`, { hint: 'it is true or false' });
  return read;
}

function size(value: string): number {
  const bytes = parseByteSize(value);
  if (bytes === undefined) throw invalid(`invalid value for size: ${value}`, { hint: 'write bytes, or 64m, 1g' });
  return bytes;
}

function number(key: 'mode' | 'uid' | 'gid', value: string): number {
  const read = parseGoUint32(value, key === 'mode' ? 8 : 10);
  if (read !== undefined) return read;
  throw invalid(`invalid value ${value} for ${key}`, {
    hint: key === 'mode' ? 'write it in octal, 0755' : `a ${key} is a number here`,
  });
}

function unexpectedKey(key: string, field: string): SlipwayError {
  const meant = suggest(key, KEYS);
  return invalid(`unexpected key '${key}' in '${field}'`, {
    hint: meant === undefined ? `a mount takes ${KEYS.slice(0, 13).join(', ')}` : `did you mean ${meant}?`,
  });
}

function invalid(message: string, options: { readonly hint?: string } = {}): SlipwayError {
  return new SlipwayError('SLIPWAY_MOUNT_INVALID', message, options);
}

/** Without the members that are undefined. */
function defined<T extends object>(value: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}
