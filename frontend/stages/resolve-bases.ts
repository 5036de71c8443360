import { SlipwayError, type SourceExcerpt } from '../../src/core/errors.ts';
import type { ImageResolver, ResolvedImage } from '../../src/core/image-source.ts';
import { formatPlatform, type Platform } from '../../src/core/platform.ts';
import { formatReference, parseReference } from '../../src/core/reference.ts';
import { suggest } from '../../src/core/suggest.ts';
import { type ContextLookup, contextLookup } from './named-contexts.ts';
import type { PlanScope } from './plan-stages.ts';
import type { FoundContext, Stage, StageBase, StagePlan } from './stage.ts';
import { reachableFrom } from './stage-sources.ts';
import { addTriggers } from './triggers.ts';

/** What resolution needs besides the plan. */
export interface ResolveScope extends PlanScope {
  readonly images: ImageResolver;
  readonly signal: AbortSignal;
  /** The stages whose needs are resolved: the target, or all for a check of the whole file. */
  readonly roots: readonly Stage[];
}

/**
 * Fills in the base of every stage that the roots need, all at once, and puts the triggers of bases before the stages' own steps.
 * Triggers may name images that nothing named before: it goes on until nothing is unresolved. Returns the stages needed, in order;
 * those whose base cannot be had are left without one, and why is among the problems.
 */
export async function resolveBases(plan: StagePlan, scope: ResolveScope): Promise<readonly Stage[]> {
  const { problems } = scope;
  const resolve = baseResolver(plan, scope);
  checkReferences(plan, scope);
  for (;;) {
    const reachable = [...reachableFrom(scope.roots)].sort((a, b) => a.index - b.index);
    const open = reachable.filter(isOpen);
    const settled = await Promise.allSettled(open.map((stage) => resolve(stage)));
    for (const [index, stage] of open.entries()) {
      const base = settled[index];
      if (base?.status === 'fulfilled') stage.base = base.value;
      else if (base?.reason instanceof SlipwayError) problems.add(base.reason);
      else throw base?.reason;
    }
    if (reachable.some((stage) => isOpen(stage))) return reachable;
    if (!addTriggers(reachable, { plan, dockerfile: scope.dockerfile })) return reachable;
  }
}

function isOpen({ parent, base }: Stage): boolean {
  return parent === undefined && base === undefined;
}

/** Every base and `--from` has to be a reference, as BuildKit has it, also where nothing needs it. */
function checkReferences({ stages }: StagePlan, { dockerfile, problems }: ResolveScope): void {
  for (const stage of reachableFrom(stages)) {
    if (stage.parent !== undefined || (stage.baseName === 'scratch' && stage.replacement === undefined)) continue;
    problems.attempt({ range: stage.range, text: dockerfile.text }, () => referenceOf(stage));
  }
  problems.throwIfAny();
}

function baseResolver(plan: StagePlan, scope: ResolveScope): (stage: Stage) => Promise<StageBase> {
  const contexts = contextLookup(scope.request.contexts);
  const images = imageResolver(scope);
  return async (stage) => {
    const source: SourceExcerpt = { range: stage.range, text: scope.dockerfile.text };
    try {
      return await resolveBase(stage, { plan, scope, contexts, images });
    } catch (error) {
      throw error instanceof SlipwayError ? error.at(source) : error;
    }
  };
}

type ResolveImage = (ref: string, platform: Platform) => Promise<ResolvedImage>;

/** One question per image and platform, however many stages ask it. */
function imageResolver({ images, signal }: ResolveScope): ResolveImage {
  const asked = new Map<string, Promise<ResolvedImage>>();
  return (ref, platform) => {
    const key = `${formatPlatform(platform)} ${ref}`;
    const known = asked.get(key) ?? images.resolve(ref, platform, signal);
    asked.set(key, known);
    return known;
  };
}

interface BaseScope {
  readonly plan: StagePlan;
  readonly scope: ResolveScope;
  readonly contexts: ContextLookup;
  readonly images: ResolveImage;
}

async function resolveBase(stage: Stage, { plan, scope, contexts, images }: BaseScope): Promise<StageBase> {
  const platform = stage.platform ?? scope.request.platform;
  if (stage.replacement !== undefined) return contextBase(stage.replacement, { scope, platform, images });
  if (stage.baseName === 'scratch') return { kind: 'scratch' };
  const ref = referenceOf(stage);
  const found = contexts(ref, platform);
  if (found !== undefined) return contextBase(found, { scope, platform, images });
  try {
    const image = await images(ref, platform);
    checkPlatform(stage, image, { scope, platform });
    return imageBase(image);
  } catch (error) {
    throw error instanceof SlipwayError ? withSuggestion(error, stage.baseName, plan) : error;
  }
}

function referenceOf(stage: Stage): string {
  try {
    return formatReference(parseReference(stage.baseName));
  } catch (cause) {
    if (!(cause instanceof SlipwayError)) throw cause;
    const name = JSON.stringify(stage.baseName);
    const message = `failed to parse stage name ${name}: ${cause.message.replace(`${name}: `, '')}`;
    throw new SlipwayError('SLIPWAY_REFERENCE_INVALID', message, {
      cause,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    });
  }
}

interface ContextScope {
  readonly scope: ResolveScope;
  readonly platform: Platform;
  readonly images: ResolveImage;
}

async function contextBase(found: FoundContext, { scope, platform, images }: ContextScope): Promise<StageBase> {
  const { name, context } = found;
  switch (context.kind) {
    case 'local':
    case 'url':
    case 'git':
      return { kind: 'files', found };
    case 'image': {
      if (context.ref === 'scratch') return { kind: 'scratch' };
      return imageBase(await images(formatReference(parseReference(context.ref)), platform), name);
    }
    case 'oci-layout':
      return imageBase(await images(layoutReference(context), platform), name);
    case 'target': {
      const definition = scope.request.targets?.[context.name];
      if (definition !== undefined) return { kind: 'definition', definition };
      throw new SlipwayError(
        'SLIPWAY_TARGET_UNKNOWN',
        `context ${name}: there is no target ${JSON.stringify(context.name)}`,
      );
    }
    default:
      return context satisfies never;
  }
}

/** `oci-layout://PATH:TAG`, or `@` before a digest. */
function layoutReference({ path, reference }: { readonly path: string; readonly reference: string }): string {
  if (reference === '' || /^[:@]/.test(reference)) return `oci-layout://${path}${reference}`;
  return `oci-layout://${path}${reference.startsWith('sha256:') ? '@' : ':'}${reference}`;
}

/** An image of no layers is as good as scratch, but for its config. */
function imageBase(image: ResolvedImage, contextName?: string): StageBase {
  return { kind: 'image', image, ...(contextName === undefined ? {} : { contextName }) };
}

function checkPlatform(stage: Stage, image: ResolvedImage, { scope, platform }: Omit<ContextScope, 'images'>): void {
  const { os, architecture } = image.config;
  if (os === platform.os && architecture === platform.architecture) return;
  scope.linter
    .under(stage.from?.comments ?? [])
    .report(
      'InvalidBaseImagePlatform',
      stage.range,
      stage.baseName,
      formatPlatform(platform),
      formatPlatform(image.config),
    );
}

const COMMON_IMAGES = ['alpine', 'busybox', 'centos', 'debian', 'golang', 'ubuntu', 'fedora'];

function withSuggestion(error: SlipwayError, name: string, { stages }: StagePlan): SlipwayError {
  if (!['SLIPWAY_IMAGE_NOT_FOUND', 'SLIPWAY_REGISTRY_DENIED'].includes(error.code)) return error;
  const [image = '', suffix = ''] = name.split(/(?=[:@])/, 2);
  const meant = suggest(image, [...stages.flatMap((stage) => stage.name ?? []), ...COMMON_IMAGES]);
  if (meant === undefined) return error;
  return new SlipwayError(error.code as `SLIPWAY_${string}`, `${error.message} (did you mean ${meant}${suffix}?)`, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.source === undefined ? {} : { source: error.source }),
  });
}
