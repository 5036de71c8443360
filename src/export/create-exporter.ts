import type { ContentStore } from '../../cache/content/content-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import { SlipwayError } from '../core/errors.ts';
import { formatReference, parseReference } from '../core/reference.ts';
import { type Annotation, parseAnnotation } from '../image/annotations.ts';
import { archiveDestination, folderDestination, type Surroundings } from './archive-destination.ts';
import { dockerExporter, ociExporter } from './archive-exporter.ts';
import { dockerLoadExporter } from './docker-load-exporter.ts';
import type { Exporter } from './exporter.ts';
import type { FilesForm } from './files-output.ts';
import { imageExporter, type PushImage, type TagImage } from './image-exporter.ts';
import { LATEST_EPOCH, readImageForm } from './image-form.ts';
import { layoutFolderExporter } from './layout-folder-exporter.ts';
import { localExporter } from './local-exporter.ts';
import { OutputAttributes } from './output-attributes.ts';
import type { OutputSpec } from './output-spec.ts';
import { tarExporter } from './tar-exporter.ts';

export interface ExporterServices extends Surroundings {
  readonly layers: LayerStore;
  readonly content: ContentStore;
  readonly tagImage: TagImage;
  readonly pushImage: PushImage;
}

/** What of the build's request the outputs depend on. */
export interface ExporterRequest {
  /** Normalised references from `-t`; they take the place of an output's `name`. */
  readonly tags: readonly string[];
  /** `--annotation` as written. */
  readonly annotations: readonly string[];
  /** `--allow` */
  readonly allow: readonly string[];
}

/**
 * The exporter of an `--output`. Throws SLIPWAY_OPTION_… for an attribute that the type does not know, a value that it does not take, and
 * a destination that cannot be: before anything is built.
 */
export function createExporter(spec: OutputSpec, request: ExporterRequest, services: ExporterServices): Exporter {
  const attributes = new OutputAttributes(spec.type, spec.attributes);
  const annotations = request.annotations.flatMap(parseAnnotation);
  const exporter = exporterOf(spec, attributes, { annotations, request, services });
  attributes.finish();
  return exporter;
}

interface Given {
  readonly annotations: readonly Annotation[];
  readonly request: ExporterRequest;
  readonly services: ExporterServices;
}

function exporterOf(spec: OutputSpec, attributes: OutputAttributes, given: Given): Exporter {
  switch (spec.type) {
    case 'oci':
      return ociOutput(spec, attributes, given);
    case 'docker':
      return dockerOutput(spec, attributes, given);
    case 'image':
    case 'registry':
      return imageOutput(spec, attributes, given);
    case 'local':
      return localOutput(spec, attributes, given);
    case 'tar':
      return tarExporter({
        form: filesForm(attributes),
        destination: archiveDestination(spec, given.services),
        layers: given.services.layers,
      });
    case 'cacheonly':
      return {
        kind: 'files',
        name: 'keeping the result in the cache',
        export: async () => ({ written: 'nothing but the cache' }),
      };
    default:
      return spec.type satisfies never;
  }
}

function ociOutput(spec: OutputSpec, attributes: OutputAttributes, given: Given): Exporter {
  const sources = archiveSources(attributes, given);
  if (attributes.flag('tar') === false)
    return layoutFolderExporter({ ...sources, folder: folderDestination(spec, given.services) });
  return ociExporter({ ...sources, destination: archiveDestination(spec, given.services) });
}

function dockerOutput(spec: OutputSpec, attributes: OutputAttributes, given: Given): Exporter {
  const sources = archiveSources(attributes, given);
  if (attributes.flag('tar') === false)
    throw attributes.invalid('tar', 'docker loads no folders; use type=oci,tar=false');
  const context = attributes.text('context');
  if (spec.dest === undefined) return dockerLoadExporter({ ...sources, ...(context === undefined ? {} : { context }) });
  return dockerExporter({ ...sources, destination: archiveDestination(spec, given.services) });
}

function archiveSources(attributes: OutputAttributes, { annotations, request, services }: Given) {
  const { layers, content } = services;
  return { form: readImageForm(attributes, annotations), names: namesOf(attributes, request), layers, content };
}

function imageOutput(spec: OutputSpec, attributes: OutputAttributes, given: Given): Exporter {
  refuseDestination(spec);
  const { annotations, request, services } = given;
  const isPushed = attributes.flag('push') ?? spec.type === 'registry';
  const byDigest = attributes.flag('push-by-digest') ?? false;
  const insecure = attributes.flag('registry.insecure') ?? false;
  const store = attributes.flag('store') ?? true;
  attributes.unsupported('unpack', 'layers are unpacked when a step needs them');
  attributes.unsupported('name-canonical', 'the local image store finds images by digest without a name for it');
  attributes.unsupported('dangling-name-prefix', 'images without a name are not stored');
  return imageExporter({
    form: readImageForm(attributes, annotations),
    names: namesOf(attributes, request),
    store: store && !byDigest,
    ...(isPushed ? { push: { byDigest, insecure } } : {}),
    layers: services.layers,
    tagImage: services.tagImage,
    pushImage: services.pushImage,
  });
}

function localOutput(spec: OutputSpec, attributes: OutputAttributes, { request, services }: Given): Exporter {
  const mode = attributes.choice('mode', ['copy', 'delete'] as const) ?? 'copy';
  if (mode === 'delete' && !request.allow.includes('buildx.local.delete'))
    throw new SlipwayError(
      'SLIPWAY_OPTION_INVALID',
      '--output type=local: mode=delete removes files of the destination',
      {
        hint: 'allow it with --allow buildx.local.delete',
      },
    );
  const folder = folderDestination(spec, services);
  return localExporter({ form: filesForm(attributes), folder, mode, layers: services.layers });
}

function filesForm(attributes: OutputAttributes): FilesForm {
  const platformSplit = attributes.flag('platform-split');
  const epoch = attributes.integer('source-date-epoch', 0, LATEST_EPOCH);
  attributes.unsupported('attestation-prefix', 'slipway writes no attestations yet');
  return {
    ...(platformSplit === undefined ? {} : { platformSplit }),
    ...(epoch === undefined ? {} : { epoch }),
  };
}

/** The build's tags, else the output's own names, in full. */
function namesOf(attributes: OutputAttributes, request: ExporterRequest): readonly string[] {
  const own = attributes.text('name') ?? '';
  if (request.tags.length > 0) return request.tags;
  return own
    .split(',')
    .filter((name) => name !== '')
    .map((name) => formatReference(parseReference(name)));
}

function refuseDestination(spec: OutputSpec): void {
  if (spec.dest === undefined) return;
  throw new SlipwayError('SLIPWAY_OPTION_INVALID', `--output type=${spec.type}: has no dest, got dest=${spec.dest}`, {
    hint: 'for a file, use type=oci or type=docker',
  });
}
