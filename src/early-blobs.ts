import type { LayerId, LayerStack, LayerStore } from '../cache/layers/layer-store.ts';
import type { InputRef, Vertex } from '../solver/vertex.ts';
import { blobSettings, type ImageForm } from './image/assemble.ts';

export interface EarlyBlobsOptions {
  readonly layers: LayerStore;
  /** What the outputs make of the layers. */
  readonly forms: readonly ImageForm[];
  /** Seconds since 1970: SOURCE_DATE_EPOCH of the build. */
  readonly epoch?: number;
  readonly signal: AbortSignal;
}

/**
 * Makes the blobs of layers that outputs will need while later steps still run. The outputs ask for the same blobs again, and find them or
 * wait for them. Disposing ends what is under way and waits for that.
 */
export class EarlyBlobs implements AsyncDisposable {
  readonly #options: EarlyBlobsOptions;
  readonly #ending = new AbortController();
  readonly #begun = new Set<LayerId>();
  readonly #work: Promise<unknown>[] = [];

  constructor(options: EarlyBlobsOptions) {
    this.#options = options;
  }

  begin(stack: LayerStack): void {
    const { layers, forms, signal } = this.#options;
    const ends = AbortSignal.any([signal, this.#ending.signal]);
    for (const layer of stack) {
      if (this.#begun.has(layer)) continue;
      this.#begun.add(layer);
      for (const form of forms) {
        const blob = layers.blob(layer, form.compression, { ...blobSettings(form, this.#options), signal: ends });
        // What fails here fails again for the output, which reports it; or nobody needs it.
        this.#work.push(blob.catch(() => {}));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#work);
  }
}

/** The vertices of whose results all layers stand in the result of one of the roots, by digest. */
export function verticesBelow(roots: readonly Vertex[]): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (vertex: Vertex | undefined) => {
    if (vertex === undefined || found.has(vertex.digest)) return;
    found.add(vertex.digest);
    for (const input of inputsBelow(vertex)) visit(vertex.inputs[input]);
  };
  for (const root of roots) visit(root);
  return found;
}

function inputsBelow({ op, inputs }: Vertex): readonly number[] {
  switch (op.kind) {
    case 'exec':
    case 'file':
      return indexOf(op.root);
    case 'merge':
      return inputs.map((_input, index) => index);
    case 'image':
    case 'local':
    case 'http':
    case 'git':
    case 'diff':
      return [];
    default:
      throw new Error(`internal: unknown op ${op satisfies never}`);
  }
}

function indexOf(root: InputRef): readonly number[] {
  return root === 'scratch' ? [] : [root];
}
