import type { Owner } from '../../solver/vertex.ts';

/** `user[:group]` of `--chown` and USER, as written; names are looked up when the step runs. */
export function ownerOf(text: string): Owner {
  const colon = text.indexOf(':');
  if (colon < 0) return { user: text };
  return { user: text.slice(0, colon), group: text.slice(colon + 1) };
}
