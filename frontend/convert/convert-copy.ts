import { type CopyAction, type FileOp, type VertexOptions, vertex } from '../../solver/vertex.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import { withoutCredentials } from '../../src/core/fetch-url.ts';
import type { AddInstruction, CopyInstruction, CopySource } from '../instructions/instruction.ts';
import { parseChmod } from './chmod.ts';
import { isRemote, type ReadSource, readHeredocSource, readPathSource, type SourceScope } from './copy-sources.ts';
import { type GraphInputs, graphInputs } from './graph-inputs.ts';
import { addHistory } from './history.ts';
import { reportIgnoredSource } from './ignored-sources.ts';
import { ownerOf } from './owner.ts';
import { destinationPath } from './paths.ts';
import type { Root, StageState, StepScope } from './stage-state.ts';
import { displayText, nextStepName, stepName } from './step-name.ts';
import { expand, expandHeredoc } from './variables.ts';

/** COPY and ADD: files of a context, a stage, an image, the network or the Dockerfile itself. */
export function convertCopy(instruction: AddInstruction | CopyInstruction, state: StageState, scope: StepScope): void {
  const words = expandCopy(instruction, state, scope);
  checkChecksum(words, instruction);
  const text = displayText(instruction.original, state.env, { escape: scope.dockerfile.escape });
  const options: VertexOptions = {
    name: nextStepName(text, state, scope),
    stage: state.stage.label,
    source: scope.source,
    ...(state.ignoreCache ? { ignoreCache: true } : {}),
  };
  const sourceScope: SourceScope = {
    instruction,
    checksum: words.checksum,
    ...filesOf(instruction, state, scope),
    options,
  };
  const sources = words.sources.map((source) => readSource(source, sourceScope, scope));
  const actions = copyActions(sources, instruction, { words, workdir: state.workdir });
  state.root = isLinked(instruction, words)
    ? linked(state.root, actions, { ...options, linkName: stepName(`LINK ${text}`, state, scope) })
    : copied(state.root, actions, options);
  addHistory(state, historyText(instruction, words), 'layer');
}

/** The actions, once it is known which input of the op each source is. */
type Actions = (inputs: GraphInputs) => readonly CopyAction[];

function copyActions(
  sources: readonly ReadSource[],
  instruction: AddInstruction | CopyInstruction,
  { words, workdir }: { readonly words: ExpandedCopy; readonly workdir: string },
): Actions {
  const shared = {
    destination: destinationPath(words.destination, workdir),
    ...(words.chown === '' ? {} : { owner: ownerOf(words.chown) }),
    ...(words.chmod === '' ? {} : { chmod: parseChmod(words.chmod) }),
    exclude: instruction.exclude,
    link: isLinked(instruction, words),
  };
  return (inputs) =>
    sources.map(({ root, action }) => ({ action: 'copy', input: inputs.refer(root), ...action, ...shared }));
}

function copied(root: Root, actions: Actions, options: VertexOptions): Root {
  const inputs = graphInputs();
  const op: FileOp = { kind: 'file', root: inputs.refer(root), actions: actions(inputs) };
  return vertex(op, inputs.vertices, options);
}

/** The copy on an empty root, laid on top: its layer does not depend on what is below. */
function linked(
  root: Root,
  actions: Actions,
  { linkName, ...options }: VertexOptions & { readonly linkName: string },
): Root {
  const layer = copied('scratch', actions, options);
  if (root === 'scratch' || layer === 'scratch') return layer;
  return vertex({ kind: 'merge' }, [root, layer], { ...options, name: linkName });
}

/**
 * `--chmod` needs to look at the files below, in BuildKit; such a link is a plain copy there, and here. So is one whose owner has a name,
 * which only the files below explain: BuildKit fails there, or makes it a plain copy, as its storage has it.
 */
function isLinked({ link }: AddInstruction | CopyInstruction, { chmod, chown }: ExpandedCopy): boolean {
  return link && chmod === '' && /^\d*(:\d*)?$/.test(chown);
}

/** An instruction's words with variables replaced; empty where a flag is missing. */
interface ExpandedCopy {
  readonly sources: readonly ExpandedSource[];
  readonly destination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly checksum: string | undefined;
}

type ExpandedSource =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'heredoc'; readonly source: Extract<CopySource, { kind: 'heredoc' }>; readonly text: string };

function expandCopy(instruction: AddInstruction | CopyInstruction, state: StageState, scope: StepScope): ExpandedCopy {
  const word = (text: string) => expand(text, state, scope);
  const chown = word(instruction.chown ?? '');
  const chmod = word(instruction.chmod ?? '');
  const checksum = instruction.kind === 'add' ? word(instruction.checksum ?? '') : '';
  const paths = instruction.sources.flatMap((source): readonly ExpandedSource[] =>
    source.kind === 'path' ? [{ kind: 'path', path: word(source.path) }] : [],
  );
  const destination = word(instruction.destination);
  const heredocs = instruction.sources.flatMap((source): readonly ExpandedSource[] => {
    if (source.kind !== 'heredoc') return [];
    const { content, expand: isExpanded } = source.heredoc;
    return [{ kind: 'heredoc', source, text: isExpanded ? expandHeredoc(content, state, scope) : content }];
  });
  // Whatever their order, heredocs are copied last, as in BuildKit.
  return {
    sources: [...paths, ...heredocs],
    destination,
    chown,
    chmod,
    checksum: checksum === '' ? undefined : checksum,
  };
}

function filesOf(
  instruction: AddInstruction | CopyInstruction,
  state: StageState,
  scope: StepScope,
): Pick<SourceScope, 'files' | 'contextSources'> {
  const [from] = scope.step.sources;
  if (from === undefined) return { files: scope.context, contextSources: scope.contextSources };
  const name = instruction.kind === 'copy' ? instruction.from : undefined;
  const files = scope.rootOf(
    from,
    `cannot copy from stage ${JSON.stringify(name)}, it needs to be defined before current stage ${JSON.stringify(state.stage.label)}`,
  );
  return { files, contextSources: undefined };
}

function readSource(source: ExpandedSource, sourceScope: SourceScope, scope: StepScope): ReadSource {
  if (source.kind === 'heredoc') return readHeredocSource(source.source.heredoc, source.text);
  const isLocal = sourceScope.files === scope.context && !isRemote(source.path);
  if (isLocal) reportIgnoredSource(source.path, sourceScope.instruction.kind, scope);
  return readPathSource(source.path, sourceScope);
}

function checkChecksum({ checksum, sources }: ExpandedCopy, { kind }: AddInstruction | CopyInstruction): void {
  if (checksum === undefined) return;
  const [source, ...more] = sources.filter(({ kind: type }) => type === 'path');
  const why =
    kind === 'copy'
      ? "checksum can't be specified for COPY"
      : source === undefined || more.length > 0
        ? "checksum can't be specified for multiple sources"
        : source.kind === 'path' && !isRemote(source.path)
          ? 'checksum requires HTTP(S) or Git sources'
          : undefined;
  if (why !== undefined)
    throw new SlipwayError('SLIPWAY_CHECKSUM_INVALID', why, { hint: '--checksum pins what ADD fetches from one URL' });
}

function historyText(instruction: AddInstruction | CopyInstruction, words: ExpandedCopy): string {
  const sources = words.sources.map((source) =>
    source.kind === 'path' ? withoutCredentials(source.path) : `<<${source.source.heredoc.name}`,
  );
  return [
    instruction.kind === 'add' ? 'ADD' : 'COPY',
    ...(instruction.kind === 'copy' && instruction.parents ? ['--parents'] : []),
    ...(words.chown === '' ? [] : [`--chown=${words.chown}`]),
    ...(words.chmod === '' ? [] : [`--chmod=${words.chmod}`]),
    ...sources,
    words.destination,
  ].join(' ');
}
