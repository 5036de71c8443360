import type { SourceRange } from '../../src/core/errors.ts';
import type { ResolvedImage } from '../../src/core/image-source.ts';
import type { Platform } from '../../src/core/platform.ts';
import type { Definition, NamedContext } from '../frontend.ts';
import type { FromInstruction, Instruction } from '../instructions/instruction.ts';

/** A named context under the name that it was found by. */
export interface FoundContext {
  readonly name: string;
  readonly context: NamedContext;
}

/** What a stage without a parent stage begins with. */
export type StageBase =
  | { readonly kind: 'scratch' }
  /** `contextName`: the named context that led to the image. */
  | { readonly kind: 'image'; readonly image: ResolvedImage; readonly contextName?: string }
  /** Files of a named context: a folder, a URL, a Git repository. */
  | { readonly kind: 'files'; readonly found: FoundContext }
  /** The result of another target (bake). */
  | { readonly kind: 'definition'; readonly definition: Definition };

/** An instruction of a stage, or a trigger of its base, in the order in which they are carried out. */
export interface Step {
  readonly instruction: Instruction;
  /** Where problems are shown: the instruction's own lines, or those of FROM for a trigger. */
  readonly range: SourceRange;
  readonly isTrigger: boolean;
  /** What `--from` names: one member for COPY, one for each mount of RUN; undefined without `--from`. */
  readonly sources: readonly (Stage | undefined)[];
}

/**
 * A stage of the Dockerfile, or an image that `--from` names, which is a stage without steps. `base` and triggers among `steps`
 * are filled in while base images are resolved; everything else is fixed by planning.
 */
export interface Stage {
  /** Position in the Dockerfile from 0; images named by `--from` come after all stages. */
  readonly index: number;
  /** Lower-cased name after AS. */
  readonly name: string | undefined;
  /** How progress and errors call it: the name, `stage-1`, or empty for the only one. */
  readonly label: string;
  /** Undefined for an image that `--from` names. */
  readonly from: FromInstruction | undefined;
  readonly range: SourceRange;
  /** The word after FROM, expanded. */
  readonly baseName: string;
  readonly parent: Stage | undefined;
  /** Of `--platform`. */
  readonly platform: Platform | undefined;
  /** The named context that stands in for the whole stage. */
  readonly replacement: FoundContext | undefined;
  /** Global ARGs that FROM uses. */
  readonly usedArgs: ReadonlySet<string>;
  steps: readonly Step[];
  base: StageBase | undefined;
  hasTriggers: 'unknown' | 'added';
}

/** A planned Dockerfile. */
export interface StagePlan {
  /** The stages of the Dockerfile, in order, without the images that `--from` names. */
  readonly stages: readonly Stage[];
  readonly target: Stage;
  readonly globals: GlobalArgs;
}

/** ARGs before the first FROM, and the predefined ones. */
export interface GlobalArgs {
  /** Values by name, in the order in which they were last set. */
  readonly values: ReadonlyMap<string, string>;
  /** The declared ones, also those without a value. */
  readonly declared: ReadonlyMap<string, DeclaredArg>;
  /** SOURCE_DATE_EPOCH in effect, seconds. */
  readonly epoch: number | undefined;
}

/** An ARG as the outline shows it. */
export interface DeclaredArg {
  readonly key: string;
  readonly value?: string;
  readonly comment?: string;
  readonly range: SourceRange;
  /** Other ARGs that its default mentions. */
  readonly dependsOn: ReadonlySet<string>;
}
