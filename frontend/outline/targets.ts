import { parseDockerfile } from '../parser/parse-dockerfile.ts';

/** A stage as `--call=targets` lists it, as written: variables are not expanded. */
export interface Target {
  /** Undefined for a stage without a name, which cannot be a target unless it is the default. */
  readonly name?: string;
  readonly description?: string;
  /** The last stage, which is built if no target is named. */
  readonly isDefault: boolean;
  readonly base: string;
  readonly platform?: string;
  readonly line: number;
}

/** The stages of a Dockerfile in order. */
export function listTargets(dockerfile: { readonly name: string; readonly text: string }): readonly Target[] {
  const { instructions } = parseDockerfile(dockerfile.name, dockerfile.text);
  const stages = instructions.filter((instruction) => instruction.kind === 'from');
  return stages.map(({ image, platform, stageName, comment, range }, index) => ({
    ...(stageName === undefined ? {} : { name: stageName }),
    ...(comment === undefined ? {} : { description: comment }),
    isDefault: index === stages.length - 1,
    base: image,
    ...(platform === undefined ? {} : { platform }),
    line: range.startLine,
  }));
}
