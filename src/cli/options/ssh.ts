import type { SshSpec } from '../../build.ts';

/** `--ssh ID[=SOCKET|KEY[,KEY]]`; an empty id is `default`. A later one of the same id replaces an earlier. */
export function parseSsh(values: readonly string[]): readonly SshSpec[] {
  return [...new Map(values.map(parseOne).map((spec) => [spec.id, spec])).values()];
}

function parseOne(text: string): SshSpec {
  const equals = text.indexOf('=');
  if (equals < 0) return { id: text || 'default', paths: [] };
  const paths = text.slice(equals + 1).split(',');
  return { id: text.slice(0, equals) || 'default', paths: paths.filter((path) => path !== '') };
}
