import { SlipwayError, type SourceExcerpt, type SourceRange } from '../../src/core/errors.ts';
import type { LintWarning } from '../frontend.ts';
import { type CheckOptions, checkOptionsInComments, mergeCheckOptions } from './check-options.ts';
import { type LintRule, RULES, type RuleName } from './rules.ts';

type Details<Name extends RuleName> = (typeof RULES)[Name] extends LintRule<infer List> ? List : never;

/** Collects the findings on one Dockerfile. */
export interface Linter {
  /** Reports a finding, unless its rule is off here or it was reported already. */
  report<Name extends RuleName>(name: Name, range: SourceRange, ...details: Details<Name>): void;
  /** The same collection, with what the comments right above an instruction switch off or on. */
  under(comments: readonly string[]): Linter;
  /** In the order found. */
  readonly warnings: readonly LintWarning[];
  /** Throws SLIPWAY_CHECK_FAILED if anything was found and the options make findings errors. */
  throwIfFatal(): void;
}

/** A linter for the Dockerfile with this text. */
export function createLinter(text: string, options: CheckOptions): Linter {
  return linterOver({ text, warnings: [], seen: new Set() }, options);
}

interface Findings {
  readonly text: string;
  readonly warnings: LintWarning[];
  readonly seen: Set<string>;
}

function linterOver(findings: Findings, options: CheckOptions): Linter {
  return {
    warnings: findings.warnings,
    report(name, range, ...details) {
      const rule: LintRule<readonly string[]> = RULES[name];
      if (!isActive(rule, options)) return;
      const message = rule.message(...details);
      const identity = `${name}\0${message}\0${range.startLine}\0${range.endLine}`;
      if (findings.seen.has(identity)) return;
      findings.seen.add(identity);
      const source: SourceExcerpt = { range, text: findings.text };
      findings.warnings.push({ rule: name, message, description: rule.description, url: rule.url, source });
    },
    under(comments) {
      const added = comments.length === 0 ? undefined : checkOptionsInComments(comments);
      return added === undefined ? this : linterOver(findings, mergeCheckOptions(options, added));
    },
    throwIfFatal() {
      const [first] = findings.warnings;
      if (!options.error || first === undefined) return;
      const names = [...new Set(findings.warnings.map((warning) => warning.rule))];
      throw new SlipwayError('SLIPWAY_CHECK_FAILED', `lint violation found for rules: ${names.join(', ')}`, {
        hint: `${first.message}; \`# check=skip=${names.join(',')}\` turns ${names.length === 1 ? 'the rule' : 'the rules'} off`,
        source: first.source,
      });
    },
  };
}

function isActive(rule: LintRule<readonly string[]>, options: CheckOptions): boolean {
  if (rule.experimental) return options.experimental === 'all' || options.experimental.has(rule.name);
  return options.skip !== 'all' && !options.skip.has(rule.name);
}
