import type { StageState } from './stage-state.ts';

const COMMENT = 'buildkit.dockerfile.v0';

/** Whether an entry stands for a layer: not at all, the one of a folder, or that of files or a process (which BuildKit marks). */
export type HistoryLayer = 'empty' | 'folder' | 'layer';

/** Adds an entry to the image's history, as BuildKit writes it. Assembly fills in when it was created. */
export function addHistory({ image }: StageState, createdBy: string, layer: HistoryLayer): void {
  image.history.push({
    created_by: layer === 'layer' ? `${createdBy} # buildkit` : createdBy,
    comment: COMMENT,
    ...(layer === 'empty' ? { empty_layer: true } : {}),
  });
}
