import type { TreeEntry } from '../layers/layer-store.ts';

/** Which folder a `RUN --mount=type=cache` wants, and how it shares it (Dockerfile reference, "RUN --mount=type=cache"). */
export interface CacheMountRequest {
  /** As written; only its hash becomes a name on disk. */
  readonly id: string;
  /** `locked`: one user at a time, others wait. `private`: a folder of one's own while another uses it. `shared`: all at once. */
  readonly sharing: 'shared' | 'private' | 'locked';
  /** Attributes of the folder when it is made; one with a seed has the seed's own. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** What a new folder starts with. A different `identity` is a different folder. */
  readonly seed?: CacheMountSeed;
}

export interface CacheMountSeed {
  /** Tells seeds apart, such as a content digest of what is copied. */
  readonly identity: string;
  /** The attributes of a new folder, and what it has in it, paths from `/`; asked for only if one is made. */
  content(): Promise<CacheMountContent>;
}

export interface CacheMountContent {
  readonly root: { readonly mode: number; readonly uid: number; readonly gid: number };
  readonly entries: readonly TreeEntry[];
}

/** A folder in use. Disposing lets others that wait for it go on; its contents stay. */
export interface CacheMount extends Disposable {
  readonly path: string;
}

/** The folders behind cache mounts; they outlive builds and are shared by all processes that use the store. */
export interface CacheMountStore {
  /** Waits for its turn where the sharing asks for it; a wait ends with the signal, and with the process that it waits for. */
  acquire(request: CacheMountRequest, signal: AbortSignal): Promise<CacheMount>;
  /** Empties every folder of the id, with whatever attributes and seed; those that a living process uses are left alone. */
  empty(id: string): void;
}
