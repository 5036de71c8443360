import type { SourceRange } from '../../src/core/errors.ts';

/**
 * Typed instructions: what a Dockerfile says, checked for form but not yet expanded or evaluated. All texts are as written, with
 * line continuations joined and flags taken off; variables in them are expanded by conversion, with the escape token.
 */
export type Instruction =
  | AddInstruction
  | ArgInstruction
  | CmdInstruction
  | CopyInstruction
  | EntrypointInstruction
  | EnvInstruction
  | ExposeInstruction
  | FromInstruction
  | HealthcheckInstruction
  | LabelInstruction
  | MaintainerInstruction
  | OnbuildInstruction
  | RunInstruction
  | ShellInstruction
  | StopsignalInstruction
  | UserInstruction
  | VolumeInstruction
  | WorkdirInstruction;

/** What every instruction has. */
export interface InstructionBase {
  /** Lines that it covers, heredocs included. */
  readonly range: SourceRange;
  /** As BuildKit keeps it for history: the instruction's text with continuations joined, heredocs left out. */
  readonly original: string;
  /** The keyword as written (`from`, `Run`). */
  readonly keyword: string;
  /** Comment lines right above it, without `#` (a description of a stage, target or ARG in the outline). */
  readonly comments: readonly string[];
}

/** A here-document (Dockerfile reference, "Here-Documents"). */
export interface Heredoc {
  readonly name: string;
  /** Text between the delimiters, tabs stripped already for `<<-`. */
  readonly content: string;
  /** The same, tabs kept: what a shell is given that reads the heredoc itself. */
  readonly rawContent: string;
  /** False where the delimiter was quoted. */
  readonly expand: boolean;
  /** `<<-`. */
  readonly chomp: boolean;
  /** As written: `<<-"EOF"`, `3<<EOF`. */
  readonly written: string;
  /** 0 where none is written. */
  readonly fileDescriptor: number;
}

/** Shell form (`text`, one string) or exec form (a JSON array). */
export type CommandLine =
  | { readonly form: 'shell'; readonly text: string }
  | { readonly form: 'exec'; readonly args: readonly string[] };

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export interface FromInstruction extends InstructionBase {
  readonly kind: 'from';
  readonly image: string;
  readonly platform?: string;
  /** Lower-cased name after AS. */
  readonly stageName?: string;
  /** The name, and the word before it (`AS`, `as`), as written, for checks. */
  readonly writtenStageName?: string;
  readonly writtenAs?: string;
  /** From the comment lines above: what follows the stage's name. */
  readonly comment?: string;
}

export interface ArgInstruction extends InstructionBase {
  readonly kind: 'arg';
  readonly args: readonly { readonly key: string; readonly value?: string; readonly comment?: string }[];
}

export interface EnvInstruction extends InstructionBase {
  readonly kind: 'env';
  readonly pairs: readonly KeyValue[];
  /** `ENV name value`, without `=`. */
  readonly legacy: boolean;
}

export interface LabelInstruction extends InstructionBase {
  readonly kind: 'label';
  readonly pairs: readonly KeyValue[];
  readonly legacy: boolean;
}

export interface MaintainerInstruction extends InstructionBase {
  readonly kind: 'maintainer';
  readonly name: string;
}

/** A source of COPY or ADD. */
export type CopySource =
  | { readonly kind: 'path'; readonly path: string }
  /** The file that a heredoc stands for, named after its delimiter. */
  | { readonly kind: 'heredoc'; readonly heredoc: Heredoc };

interface CopyBase extends InstructionBase {
  /** In the order written. */
  readonly sources: readonly CopySource[];
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly exclude: readonly string[];
  /** For history and errors: the flags as written, `--chown=1:2`. */
  readonly flags: readonly string[];
}

export interface CopyInstruction extends CopyBase {
  readonly kind: 'copy';
  readonly from?: string;
  readonly parents: boolean;
}

export interface AddInstruction extends CopyBase {
  readonly kind: 'add';
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  /** `--unpack`; undefined keeps ADD's default (local archives yes, URLs no). */
  readonly unpack?: boolean;
}

export interface RunInstruction extends InstructionBase {
  readonly kind: 'run';
  readonly command: CommandLine;
  readonly heredocs: readonly Heredoc[];
  readonly mounts: readonly RunMountFlag[];
  readonly network?: string;
  readonly security?: string;
  readonly devices: readonly { readonly name: string; readonly required: boolean }[];
  readonly flags: readonly string[];
}

/** A `--mount` before its variables are expanded; `parseRunMount` reads it then. */
export interface RunMountFlag {
  /** The flag's value, `type=cache,target=/x,id=$ID`. */
  readonly written: string;
  /** The stage, image or context that it depends on: never holds a variable. */
  readonly from?: string;
}

export type RunMountType = 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';

/** A `--mount` with its values expanded and checked; an undefined member was not given. */
export interface RunMount {
  readonly type: RunMountType;
  readonly from?: string;
  readonly source?: string;
  readonly target?: string;
  /** As given, else true for bind, secret and ssh. */
  readonly readonly: boolean;
  readonly sizeBytes?: number;
  readonly id?: string;
  readonly sharing?: 'shared' | 'private' | 'locked';
  readonly required: boolean;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Of a secret: the variable that takes its value; empty means one named after the id. */
  readonly env?: string;
  /** As written, for errors and the outline. */
  readonly written: string;
}

export interface CmdInstruction extends InstructionBase {
  readonly kind: 'cmd';
  readonly command: CommandLine;
}

export interface EntrypointInstruction extends InstructionBase {
  readonly kind: 'entrypoint';
  readonly command: CommandLine;
}

export interface ShellInstruction extends InstructionBase {
  readonly kind: 'shell';
  readonly args: readonly string[];
}

export interface WorkdirInstruction extends InstructionBase {
  readonly kind: 'workdir';
  readonly path: string;
}

export interface UserInstruction extends InstructionBase {
  readonly kind: 'user';
  readonly user: string;
}

export interface VolumeInstruction extends InstructionBase {
  readonly kind: 'volume';
  readonly paths: readonly string[];
}

export interface ExposeInstruction extends InstructionBase {
  readonly kind: 'expose';
  readonly ports: readonly string[];
}

export interface StopsignalInstruction extends InstructionBase {
  readonly kind: 'stopsignal';
  readonly signal: string;
}

/** Durations in nanoseconds; `test` is `['NONE']`, `['CMD', …]` or `['CMD-SHELL', text]`. */
export interface HealthcheckInstruction extends InstructionBase {
  readonly kind: 'healthcheck';
  readonly test: readonly string[];
  readonly interval?: number;
  readonly timeout?: number;
  readonly startPeriod?: number;
  readonly startInterval?: number;
  readonly retries?: number;
}

export interface OnbuildInstruction extends InstructionBase {
  readonly kind: 'onbuild';
  /** The text after ONBUILD as it goes into the image config; the bodies of heredocs follow it, line by line. */
  readonly expression: string;
}

/** A parsed Dockerfile. */
export interface Dockerfile {
  readonly file: string;
  readonly text: string;
  /** `\` or a backtick. */
  readonly escape: string;
  /** The image named by `# syntax=`, where there is one. */
  readonly syntax?: string;
  /** The value of `# check=`. */
  readonly check?: string;
  readonly instructions: readonly Instruction[];
  /** What only the parser sees, for the linter: `NoEmptyContinuation`. */
  readonly findings: readonly ParserFinding[];
}

/** Something that the parser accepted but a check may warn of. */
export interface ParserFinding {
  readonly rule: string;
  readonly detail: string;
  readonly range: SourceRange;
}
