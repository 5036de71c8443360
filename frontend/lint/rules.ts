/** A check on Dockerfiles. Names, texts and links are BuildKit's (frontend/dockerfile/linter/ruleset.go), which users know and skip by. */
export interface LintRule<Details extends readonly string[]> {
  readonly name: string;
  readonly description: string;
  readonly url: string;
  /** Runs only where `check=experimental=…` asks for it. */
  readonly experimental: boolean;
  /** The message for one finding. */
  readonly message: (...details: Details) => string;
}

function rule<Details extends readonly string[]>(
  name: string,
  description: string,
  message: (...details: Details) => string,
): LintRule<Details> {
  const page = name.replace(/^JSON/, 'Json').replace(/(?<!^)([A-Z])/g, '-$1');
  const url = `https://docs.docker.com/go/dockerfile/rule/${page.toLowerCase()}/`;
  return { name, description, url, experimental: false, message };
}

/** Every rule, by name. */
export const RULES = {
  StageNameCasing: rule(
    'StageNameCasing',
    'Stage names should be lowercase',
    (stage: string) => `Stage name '${stage}' should be lowercase`,
  ),
  FromAsCasing: rule(
    'FromAsCasing',
    "The 'as' keyword should match the case of the 'from' keyword",
    (from: string, as: string) => `'${as}' and '${from}' keywords' casing do not match`,
  ),
  NoEmptyContinuation: rule(
    'NoEmptyContinuation',
    'Empty continuation lines will become errors in a future release',
    () => 'Empty continuation line',
  ),
  ConsistentInstructionCasing: rule(
    'ConsistentInstructionCasing',
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
    (command: string, casing: string) =>
      `Command '${command}' should match the case of the command majority (${casing})`,
  ),
  DuplicateStageName: rule(
    'DuplicateStageName',
    'Stage names should be unique',
    (stage: string) => `Duplicate stage name ${JSON.stringify(stage)}, stage names should be unique`,
  ),
  ReservedStageName: rule(
    'ReservedStageName',
    'Reserved words should not be used as stage names',
    (stage: string) => `Stage name should not use the same name as reserved stage ${JSON.stringify(stage)}`,
  ),
  JSONArgsRecommended: rule(
    'JSONArgsRecommended',
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
    (instruction: string) =>
      `JSON arguments recommended for ${instruction} to prevent unintended behavior related to OS signals`,
  ),
  MaintainerDeprecated: rule(
    'MaintainerDeprecated',
    'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
    () => 'Maintainer instruction is deprecated in favor of using label',
  ),
  UndefinedArgInFrom: rule(
    'UndefinedArgInFrom',
    'FROM command must use declared ARGs',
    (arg: string, meant: string) => `FROM argument '${arg}' is not declared${meant && ` (did you mean ${meant}?)`}`,
  ),
  WorkdirRelativePath: rule(
    'WorkdirRelativePath',
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
    (path: string) => `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`,
  ),
  UndefinedVar: rule(
    'UndefinedVar',
    'Variables should be defined before their use',
    (name: string, meant: string) => `Usage of undefined variable '$${name}'${meant && ` (did you mean $${meant}?)`}`,
  ),
  MultipleInstructionsDisallowed: rule(
    'MultipleInstructionsDisallowed',
    'Multiple instructions of the same type should not be used in the same stage',
    (instruction: string) =>
      `Multiple ${instruction} instructions should not be used in the same stage because only the last one will be used`,
  ),
  LegacyKeyValueFormat: rule(
    'LegacyKeyValueFormat',
    'Legacy key/value format with whitespace separator should not be used',
    (instruction: string) =>
      `"${instruction} key=value" should be used instead of legacy "${instruction} key value" format`,
  ),
  InvalidBaseImagePlatform: {
    ...rule(
      'InvalidBaseImagePlatform',
      'Base image platform does not match expected target platform',
      (image: string, expected: string, actual: string) =>
        `Base image ${image} was pulled with platform "${actual}", expected "${expected}" for current build`,
    ),
    url: '',
  },
  RedundantTargetPlatform: rule(
    'RedundantTargetPlatform',
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    (variable: string) =>
      `Setting platform to predefined ${variable} in FROM is redundant as this is the default behavior`,
  ),
  SecretsUsedInArgOrEnv: rule(
    'SecretsUsedInArgOrEnv',
    'Sensitive data should not be used in the ARG or ENV commands',
    (instruction: string, key: string) =>
      `Do not use ARG or ENV instructions for sensitive data (${instruction} ${JSON.stringify(key)})`,
  ),
  InvalidDefaultArgInFrom: rule(
    'InvalidDefaultArgInFrom',
    'Default value for global ARG results in an empty or invalid base image name',
    (base: string) => `Default value for ARG ${base} results in empty or invalid base image name`,
  ),
  FromPlatformFlagConstDisallowed: rule(
    'FromPlatformFlagConstDisallowed',
    'FROM --platform flag should not use a constant value',
    (platform: string) => `FROM --platform flag should not use constant value ${JSON.stringify(platform)}`,
  ),
  CopyIgnoredFile: rule(
    'CopyIgnoredFile',
    'Attempting to Copy file that is excluded by .dockerignore',
    (command: string, file: string) =>
      `Attempting to ${command} file ${JSON.stringify(file)} that is excluded by .dockerignore`,
  ),
  InvalidDefinitionDescription: {
    ...rule(
      'InvalidDefinitionDescription',
      'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
      (instruction: string, name: string) =>
        `Comment for ${instruction} should follow the format: \`# ${name} <description>\``,
    ),
    experimental: true,
  },
  ExposeProtoCasing: rule(
    'ExposeProtoCasing',
    'Protocol in EXPOSE instruction should be lowercase',
    (port: string) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  ),
  ExposeInvalidFormat: rule(
    'ExposeInvalidFormat',
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
    (port: string) => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
  ),
} satisfies Record<string, LintRule<never>>;

export type RuleName = keyof typeof RULES;
