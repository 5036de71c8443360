import { spawn } from 'node:child_process';
import type { ContentStore } from '../../cache/content/content-store.ts';
import type { LayerStore } from '../../cache/layers/layer-store.ts';
import { errnoOf, SlipwayError } from '../core/errors.ts';
import type { ImageForm } from '../image/assemble.ts';
import { dockerArchive } from './archive-exporter.ts';
import { writeTo } from './destination.ts';
import type { ImageExporter } from './exporter.ts';

const MAX_SAID = 4096;

export interface DockerLoadOptions {
  readonly form: ImageForm;
  readonly names: readonly string[];
  /** Docker context to load into; undefined is docker's own choice. */
  readonly context?: string;
  readonly layers: LayerStore;
  readonly content: ContentStore;
}

/** `type=docker` without a destination: gives the image to `docker load`. */
export function dockerLoadExporter(options: DockerLoadOptions): ImageExporter {
  return {
    kind: 'image',
    name: 'loading into docker',
    form: options.form,
    async export(images, { signal }) {
      const chunks = await dockerArchive(images, options, signal);
      await load(options.context, chunks, signal);
      return { digest: images.root.digest, written: 'docker' };
    },
  };
}

async function load(context: string | undefined, chunks: Iterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const args = [...(context === undefined ? [] : ['--context', context]), 'load', '--quiet'];
  const child = spawn('docker', args, { stdio: ['pipe', 'ignore', 'pipe'], signal });
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString('utf8')).slice(0, MAX_SAID);
  });
  const ended = new Promise<number | Error>((resolve) => {
    child.on('error', resolve);
    child.on('close', (code) => resolve(code ?? 1));
  });
  const written = writeTo({ kind: 'stream', stream: child.stdin }, chunks, signal).then(
    () => child.stdin.end(),
    (error: unknown) => error,
  );
  // Without a listener of its own a pipe that docker closes early would end the process.
  child.stdin.on('error', () => {});
  const [end, problem] = await Promise.all([ended, written]);
  signal.throwIfAborted();
  if (end instanceof Error) throw startError(end);
  if (end !== 0)
    throw new SlipwayError(
      'SLIPWAY_DOCKER_LOAD_FAILED',
      `docker load exited with code ${end}: ${said.trim() || 'it said nothing'}`,
    );
  if (problem instanceof Error) throw problem;
}

function startError(error: Error): Error {
  if (errnoOf(error) !== 'ENOENT') return error;
  return new SlipwayError(
    'SLIPWAY_DOCKER_MISSING',
    'cannot load the image into docker: there is no docker command here',
    {
      hint: 'write it to a file with --output type=docker,dest=FILE, or leave --load out to keep it in the local image store',
      cause: error,
    },
  );
}
