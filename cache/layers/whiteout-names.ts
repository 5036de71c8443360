/** OCI image spec, layer.md, "Whiteouts": `.wh.NAME` says that NAME of the layers below is gone. */
export const WHITEOUT_PREFIX = '.wh.';
/** In a folder: everything that the layers below have in it is gone ("Opaque Whiteout"). */
export const OPAQUE_NAME = '.wh..wh..opq';
/** What aufs kept for itself in layers that docker made with it. */
export const AUFS_PREFIX = '.wh..wh.';
