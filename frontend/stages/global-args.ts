import type { SourceExcerpt } from '../../src/core/errors.ts';
import { formatPlatform } from '../../src/core/platform.ts';
import { expandWord } from '../expand/expand-word.ts';
import type { FrontendRequest } from '../frontend.ts';
import type { ArgInstruction, Dockerfile } from '../instructions/instruction.ts';
import { located } from './located.ts';
import type { DeclaredArg } from './stage.ts';

/** TARGETPLATFORM, BUILDPLATFORM and their parts; build arguments of those names win. `stage`: the target's name, for TARGETSTAGE. */
export function predefinedArgs(request: FrontendRequest, stage: string | undefined): Map<string, string> {
  const { platform: target, buildPlatform: build } = request;
  const values: Record<string, string> = {
    BUILDPLATFORM: formatPlatform(build),
    BUILDOS: build.os,
    BUILDOSVERSION: build['os.version'] ?? '',
    BUILDARCH: build.architecture,
    BUILDVARIANT: build.variant ?? '',
    TARGETPLATFORM: formatPlatform(target),
    TARGETOS: target.os,
    TARGETOSVERSION: target['os.version'] ?? '',
    TARGETARCH: target.architecture,
    TARGETVARIANT: target.variant ?? '',
    TARGETSTAGE: stage || 'default',
  };
  return new Map(Object.entries(values).map(([key, value]) => [key, request.buildArgs[key] ?? value]));
}

/** Sets a variable, which puts it last. */
export function setLast(variables: Map<string, string>, key: string, value: string): void {
  variables.delete(key);
  variables.set(key, value);
}

/** Values and declarations of the ARGs before the first FROM, on top of `predefined`. `buildArgs` win over defaults. */
export function evaluateGlobalArgs(
  dockerfile: Dockerfile,
  predefined: ReadonlyMap<string, string>,
  buildArgs: Readonly<Record<string, string>>,
): { readonly values: Map<string, string>; readonly declared: Map<string, DeclaredArg> } {
  const values = new Map(predefined);
  const declared = new Map<string, DeclaredArg>();
  for (const instruction of dockerfile.instructions) {
    if (instruction.kind !== 'arg') break;
    for (const arg of instruction.args) {
      const { value, mentions } = argValue(arg, { dockerfile, instruction, values, buildArgs });
      if (value !== undefined) setLast(values, arg.key, value);
      const dependsOn = new Set(mentions);
      if (dependsOn.delete(arg.key)) for (const name of declared.get(arg.key)?.dependsOn ?? []) dependsOn.add(name);
      declared.set(arg.key, {
        key: arg.key,
        ...(value === undefined ? {} : { value }),
        ...(arg.comment === undefined ? {} : { comment: arg.comment }),
        range: instruction.range,
        dependsOn,
      });
    }
  }
  return { values, declared };
}

interface ArgScope {
  readonly dockerfile: Dockerfile;
  readonly instruction: ArgInstruction;
  readonly values: ReadonlyMap<string, string>;
  readonly buildArgs: Readonly<Record<string, string>>;
}

function argValue(
  arg: ArgInstruction['args'][number],
  scope: ArgScope,
): { readonly value: string | undefined; readonly mentions: ReadonlySet<string> } {
  const given = Object.hasOwn(scope.buildArgs, arg.key) ? scope.buildArgs[arg.key] : undefined;
  if (given !== undefined || arg.value === undefined) return { value: given, mentions: new Set() };
  const source: SourceExcerpt = { range: scope.instruction.range, text: scope.dockerfile.text };
  const { value = '' } = arg;
  const { text, matched } = located(source, () =>
    expandWord(value, (name) => scope.values.get(name), { escape: scope.dockerfile.escape }),
  );
  return { value: text, mentions: matched };
}
