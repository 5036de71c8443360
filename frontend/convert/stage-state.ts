import type { Vertex } from '../../solver/vertex.ts';
import type { SourceExcerpt, SourceRange } from '../../src/core/errors.ts';
import type { Platform } from '../../src/core/platform.ts';
import type { FrontendRequest } from '../frontend.ts';
import type { Dockerfile } from '../instructions/instruction.ts';
import type { Linter } from '../lint/linter.ts';
import type { DeclaredArg, GlobalArgs, Stage, Step } from '../stages/stage.ts';
import type { ImageDraft } from './image-draft.ts';

/** A filesystem: the vertex that makes it, or the empty one. */
export type Root = Vertex | 'scratch';

/** A declared ARG of a stage; without a value it is known, but not set. */
export interface BuildArg {
  readonly key: string;
  readonly value: string | undefined;
  /** For the outline; undefined where the ARG only takes a global one into the stage. */
  readonly declared: DeclaredArg | undefined;
}

/** A stage while its steps are carried out on paper. */
export interface StageState {
  readonly stage: Stage;
  readonly platform: Platform;
  root: Root;
  /** ENV and ARG values that RUN sees and words are expanded with, in the order in which they were last set. */
  readonly env: Map<string, string>;
  /** Absolute. */
  workdir: string;
  user: string;
  readonly image: ImageDraft;
  /** Of this stage and of those that it is built on. */
  readonly buildArgs: BuildArg[];
  /** Whether this Dockerfile has set a WORKDIR yet. */
  hasWorkdir: boolean;
  /** Where CMD, ENTRYPOINT and HEALTHCHECK stood last in this stage. */
  readonly lastSeen: Map<'cmd' | 'entrypoint' | 'healthcheck', SourceRange>;
  readonly ignoreCache: boolean;
  /** For step names: how many steps were named, of how many. */
  stepsNamed: number;
  readonly stepCount: number;
}

/** What converting a step knows beside the state of its stage. */
export interface StepScope {
  readonly step: Step;
  readonly source: SourceExcerpt;
  readonly dockerfile: Dockerfile;
  readonly request: FrontendRequest;
  readonly globals: GlobalArgs;
  readonly linter: Linter;
  /** The main build context; one vertex for the whole build. */
  readonly context: Vertex;
  /** What all steps take from it, as written. */
  readonly contextSources: readonly string[];
  /** The finished filesystem of a stage above, or of an image. Throws for a stage that stands below. */
  rootOf(source: Stage, purpose: string): Root;
}
