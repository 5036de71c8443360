import { hash } from 'node:crypto';
import { type PlacedContent, TAR_TRAILER, writeTarEntries } from '../tar/tar-writer.ts';
import type { MemberCompression } from './compression.ts';
import { hostFileChanged } from './host-content.ts';
import type { LayerItem } from './layer-items.ts';
import { MEMBER, type MemberGroup, memberGroups } from './member-groups.ts';
import { recipeKey } from './member-keys.ts';
import type { MemberOutput } from './member-output.ts';
import { LARGE_FILE, type RepeatedRun, RepeatedRuns } from './repeated-runs.ts';
import { takeTurns } from './take-turns.ts';

export interface MemberSource {
  readonly compression: MemberCompression;
  readonly signal: AbortSignal;
}

/**
 * Hands a layer's tar to an output, cut into members. Files of a member that is known by what it is made from are not read. Of large
 * files what repeats is a member of its own, which is compressed once.
 */
export async function writeMembers(
  items: Iterable<LayerItem>,
  output: MemberOutput,
  { compression, signal }: MemberSource,
): Promise<void> {
  const turn = takeTurns(signal);
  const scope = { output, compression, turn, buffers: new ChunkBuffers(), repeated: new RepeatedRuns() };
  for (const group of memberGroups(items)) {
    if (isOneMember(group)) await writeMember(group.items, scope);
    else await writeLarge(group.items, scope);
    await turn();
  }
  await output.addTar(Buffer.from(TAR_TRAILER));
}

interface Scope extends Omit<MemberSource, 'signal'> {
  readonly output: MemberOutput;
  readonly turn: () => Promise<void>;
  readonly buffers: ChunkBuffers;
  readonly repeated: RepeatedRuns;
}

/**
 * Whether it is one member, whatever bytes are in it. What repeats is looked for where most bytes are of large files: there reading
 * takes little, and among small ones it is rare.
 */
function isOneMember({ items, tarBytes }: MemberGroup<LayerItem>): boolean {
  const large = items.reduce((bytes, { entry: { size } }) => (size < LARGE_FILE ? bytes : bytes + size), 0);
  return tarBytes <= MEMBER.ceiling && large < tarBytes / 2;
}

async function writeMember(items: readonly LayerItem[], { output, compression, buffers }: Scope): Promise<void> {
  const key = recipeKey(items, compression);
  if (key !== undefined && (await output.addKnown(key))) return;
  const onContent = key === undefined ? () => {} : checkContent;
  for (const chunk of writeTarEntries(items, { allocate: buffers.take, onContent }))
    await output.addTar(chunk, { key, release: () => buffers.give(chunk) });
}

/** Other bytes than those that the member will be found by must not get into it. */
function checkContent({ item, chunk, start, end }: PlacedContent<LayerItem>): void {
  const { known } = item;
  if (known?.file === undefined || hash('sha256', chunk.subarray(start, end), 'hex') === known.digest) return;
  throw hostFileChanged(known.file);
}

async function writeLarge(items: readonly LayerItem[], { output, turn, buffers, repeated }: Scope): Promise<void> {
  const runs: RepeatedRun[] = [];
  const onContent = (content: PlacedContent<LayerItem>) => void runs.push(...repeated.find(content));
  for (const chunk of writeTarEntries(items, { allocate: buffers.take, onContent })) {
    const pieces = cutAt(runs.splice(0), chunk.length);
    for (const [index, { start, end, name }] of pieces.entries()) {
      // Members are written in their order, so that with the last one the chunk is free.
      const release = index === pieces.length - 1 ? { release: () => buffers.give(chunk) } : {};
      await output.addTar(chunk.subarray(start, end), { ...release, ...(name === undefined ? {} : { name }) });
    }
    await turn();
  }
}

/** Runs, and what lies between them. */
function cutAt(runs: readonly RepeatedRun[], length: number) {
  const pieces: { readonly start: number; readonly end: number; readonly name?: string }[] = [];
  let done = 0;
  for (const run of runs) {
    if (run.start > done) pieces.push({ start: done, end: run.start });
    pieces.push(run);
    done = run.end;
  }
  if (done < length) pieces.push({ start: done, end: length });
  return pieces;
}

/** Buffers that are used again, because fresh ones cost as much as filling them. */
class ChunkBuffers {
  readonly #free: Buffer[] = [];

  readonly take = (): Buffer => this.#free.pop() ?? Buffer.allocUnsafeSlow(MEMBER.ceiling);

  /** Takes back what `take` gave, or a part of it. */
  give(chunk: Buffer): void {
    this.#free.push(Buffer.from(chunk.buffer));
  }
}
