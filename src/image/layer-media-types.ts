import { type Descriptor, MEDIA } from '../core/descriptor.ts';

/** Which vocabulary an image's manifest and layers are written in. */
export type MediaTypeFamily = 'oci' | 'docker';

const DOCKER_LAYER_ZSTD = 'application/vnd.docker.image.rootfs.diff.tar.zstd';

/** Layer media types that mean the same, OCI's first. Foreign (non-distributable) ones become ordinary, as BuildKit does. */
const EQUAL: readonly (readonly [oci: string, docker: string, ...foreign: string[]])[] = [
  [
    MEDIA.ociLayer,
    MEDIA.dockerLayer,
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
  ],
  [
    MEDIA.ociLayerGzip,
    MEDIA.dockerLayerGzip,
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ],
  [MEDIA.ociLayerZstd, DOCKER_LAYER_ZSTD, 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd'],
];

/** The layer's descriptor as a manifest of `family` holds it; docker's manifests have no annotations on layers. */
export function layerDescriptorIn(family: MediaTypeFamily, layer: Descriptor): Descriptor {
  const mediaType = layerMediaTypeIn(family, layer.mediaType);
  const { digest, size, annotations } = layer;
  if (family === 'docker' || annotations === undefined || Object.keys(annotations).length === 0)
    return { mediaType, digest, size };
  return { mediaType, digest, size, annotations };
}

/** `mediaType` in the other vocabulary where it has a word for it, else unchanged. */
function layerMediaTypeIn(family: MediaTypeFamily, mediaType: string): string {
  const row = EQUAL.find((types) => types.includes(mediaType));
  if (row === undefined) return mediaType;
  return family === 'oci' ? row[0] : row[1];
}

/** Media types of what is around the layers. */
export function containerMediaTypes(family: MediaTypeFamily): {
  readonly manifest: string;
  readonly config: string;
  readonly index: string;
} {
  return family === 'oci'
    ? { manifest: MEDIA.ociManifest, config: MEDIA.ociConfig, index: MEDIA.ociIndex }
    : { manifest: MEDIA.dockerManifest, config: MEDIA.dockerConfig, index: MEDIA.dockerList };
}
