/** One `--output`, taken apart but not yet understood. */
export interface OutputSpec {
  readonly type: 'oci' | 'docker' | 'local' | 'tar' | 'image' | 'registry' | 'cacheonly';
  /** Path, or `-` for standard output; undefined where the type needs none. */
  readonly dest?: string;
  /** All other attributes, as written. Each exporter refuses those it does not know. */
  readonly attributes: Readonly<Record<string, string>>;
}
