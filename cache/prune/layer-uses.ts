import type { Database } from '../database.ts';
import type { FailedStep } from '../failed-steps/failed-step-store.ts';

/** When each layer of the store was used last, milliseconds since 1970: by a record that was used, by a step that failed, or when it was made. */
export function layerUses(database: Database): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  const note = (layer: string, at: number) => {
    const known = uses.get(layer);
    if (known !== undefined && known < at) uses.set(layer, at);
  };
  for (const { id, created_at: at } of database.statement('SELECT id, created_at FROM layers').all())
    uses.set(String(id), Number(at));
  for (const { layer, created_at: at } of database.statement('SELECT layer, created_at FROM layer_folders').all())
    note(String(layer), Number(at));
  for (const { stack, used_at: at } of database.statement('SELECT stack, used_at FROM records').all())
    for (const layer of String(stack).split(',')) note(layer, Number(at));
  for (const { step, created_at: at } of database.statement('SELECT step, created_at FROM failed_steps').all())
    for (const layer of layersOf(String(step))) note(layer, Number(at));
  return uses;
}

/** The layers that a failed step needs; none where its row is damaged. */
export function layersOf(step: string): readonly string[] {
  try {
    const { stack, mounts } = JSON.parse(step) as FailedStep;
    return [...stack, ...mounts.flatMap((mount) => (mount.type === 'stack' ? mount.stack : []))];
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    return [];
  }
}
