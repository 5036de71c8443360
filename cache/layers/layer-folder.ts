/** The `dir` form of a layer: a folder in overlayfs's form. */
export interface LayerFolder {
  readonly path: string;
  /** Undefined where nobody looked: the folder that a RUN wrote. */
  readonly traits: LayerTraits | undefined;
}

/** What a folder is known to have in it, so that nobody has to look. */
export interface LayerTraits {
  /** Opaque folders. */
  readonly opaque: boolean;
  /** The root itself hides the layers below, which overlayfs does not heed at a layer's root. */
  readonly opaqueRoot: boolean;
  /** Extended attributes that a layer keeps. */
  readonly xattrs: boolean;
  /** Empty files that stand for device nodes. */
  readonly placeholders: boolean;
}

const UNKNOWN = -1;

/** The traits as the database keeps them. */
export function encodeTraits(traits: LayerTraits | undefined): number {
  if (traits === undefined) return UNKNOWN;
  return (
    (traits.opaque ? 1 : 0) | (traits.opaqueRoot ? 2 : 0) | (traits.xattrs ? 4 : 0) | (traits.placeholders ? 8 : 0)
  );
}

/** The reverse of `encodeTraits`. */
export function decodeTraits(bits: number): LayerTraits | undefined {
  if (bits === UNKNOWN) return undefined;
  return {
    opaque: (bits & 1) !== 0,
    opaqueRoot: (bits & 2) !== 0,
    xattrs: (bits & 4) !== 0,
    placeholders: (bits & 8) !== 0,
  };
}
