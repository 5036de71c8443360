import type { OutputSpec } from '../../build.ts';
import { suggest } from '../../core/suggest.ts';
import { csvFields, csvPairs } from './csv-fields.ts';
import { invalidOption } from './invalid-option.ts';

const TYPES = ['oci', 'docker', 'local', 'tar', 'image', 'registry', 'cacheonly'] as const;

/** `--output type=TYPE[,KEY=VALUE…]`, or a path for `type=local`, or `-` for `type=tar` on standard output. */
export function parseOutput(text: string): OutputSpec {
  const fields = csvFields('--output', text);
  if (fields.length === 1 && fields[0] === text && !text.startsWith('type='))
    return { type: text === '-' ? 'tar' : 'local', dest: text, attributes: {} };
  const attributes = Object.fromEntries(csvPairs('--output', text));
  const { type: written = '', dest, ...rest } = attributes;
  return { type: outputType(text, written), attributes: rest, ...(dest === undefined ? {} : { dest }) };
}

function outputType(text: string, written: string): OutputSpec['type'] {
  const type = TYPES.find((one) => one === written);
  if (type !== undefined) return type;
  if (written === '') throw invalidOption('--output', `"${text}": the type is missing, for instance type=oci`);
  const meant = suggest(written, TYPES);
  throw invalidOption(
    '--output',
    `"${text}": unknown type "${written}"`,
    meant === undefined ? `the types are: ${TYPES.join(', ')}` : `did you mean type=${meant}?`,
  );
}

export interface OutputOptions {
  readonly outputs: readonly string[];
  /** `--push`: image outputs are pushed, and there is one. */
  readonly push: boolean;
  /** `--load`: there is a docker output without a destination, which `docker load` takes. */
  readonly load: boolean;
}

/** All outputs, with the shorthands `--push` and `--load` applied as buildx does. */
export function parseOutputs({ outputs, push, load }: OutputOptions): readonly OutputSpec[] {
  let specs = outputs.filter((text) => text !== '').map(parseOutput);
  if (push) {
    const isImage = (spec: OutputSpec) => spec.type === 'image' || spec.type === 'registry';
    if (!specs.some(isImage)) specs = [...specs, { type: 'image', attributes: {} }];
    specs = specs.map((spec) => (isImage(spec) ? { ...spec, attributes: { ...spec.attributes, push: 'true' } } : spec));
  }
  if (load && !specs.some((spec) => spec.type === 'docker' && spec.dest === undefined))
    specs = [...specs, { type: 'docker', attributes: {} }];
  const streams = specs.filter((spec) => writesToStdout(spec));
  if (streams.length > 1) throw invalidOption('--output', 'only one output can go to standard output');
  return specs;
}

/** Whether the output's bytes go to standard output, which then takes nothing else. */
export function writesToStdout(spec: OutputSpec): boolean {
  return spec.dest === '-' || (spec.dest === undefined && (spec.type === 'tar' || isOciTar(spec)));
}

function isOciTar(spec: OutputSpec): boolean {
  return spec.type === 'oci' && !/^(0|f|false)$/i.test(spec.attributes.tar ?? 'true');
}
