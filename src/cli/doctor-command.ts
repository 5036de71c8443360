import { errnoOf, SlipwayError } from '../core/errors.ts';
import { diagnose } from '../executor/doctor/diagnose.ts';
import type { Check, Diagnosis } from '../executor/doctor/diagnosis.ts';
import { probeMachine } from '../executor/doctor/probe-machine.ts';
import { defaultStoreRoot } from '../executor/rootless.ts';
import { errorReport } from './error-report.ts';

const HELP = `Usage: slipway doctor [--json] [--root FOLDER]

Tells how RUN steps can be run on this machine or in this container, what is lost, and what gains more.

  --json         print the same as JSON ("next" is null where nothing is better)
  --root FOLDER  the store (default: $SLIPWAY_ROOT)
`;

const MARKS: Readonly<Record<Check['state'], string>> = { ok: 'ok', missing: '--', impossible: 'no' };
const NAME_COLUMN = 20;

/** `slipway doctor`: resolves to 0 where RUN steps can be run, 1 where they cannot, 2 where the arguments are wrong. */
export async function runDoctorCommand(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    const { json, root } = parse(args);
    const diagnosis = diagnose(
      probeMachine(process.env, root ?? (process.env.SLIPWAY_ROOT || defaultStoreRoot(process.env))),
    );
    await print(json ? `${JSON.stringify(diagnosis, undefined, 2)}\n` : reportText(diagnosis));
    return diagnosis.rung === 'none' ? 1 : 0;
  } catch (error) {
    process.stderr.write(errorReport(error, { debug: false }));
    return error instanceof SlipwayError && error.code === 'SLIPWAY_OPTION_INVALID' ? 2 : 1;
  }
}

/** What a person reads of a diagnosis. */
export function reportText({ rung, lost, next, checks }: Diagnosis): string {
  const gain = next === null ? [] : ['', `to gain ${next.rung}:`, ...next.fixes.map((fix) => `  ${fix}`)];
  const losses = lost.length === 0 ? [] : ['', 'lost here:', ...lost.map((what) => `  ${what}`)];
  return `${[`RUN steps: ${rung}`, ...losses, ...gain, '', ...checks.flatMap(checkLines)].join('\n')}\n`;
}

function checkLines({ name, state, found, effect, fix }: Check): string[] {
  const indent = ' '.repeat(NAME_COLUMN + 3);
  return [
    `${MARKS[state]} ${name.padEnd(NAME_COLUMN)} ${found}`,
    ...(effect === undefined ? [] : [`${indent}lost: ${effect}`]),
    ...(fix === undefined ? [] : [`${indent}fix:  ${fix}`]),
  ];
}

function parse(args: readonly string[]): { readonly json: boolean; readonly root: string | undefined } {
  let [json, root]: [boolean, string | undefined] = [false, undefined];
  const words = [...args];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--json') json = true;
    else if (word === '--root') root = words.shift();
    else if (word.startsWith('--root=')) root = word.slice('--root='.length);
    else {
      throw new SlipwayError('SLIPWAY_OPTION_INVALID', `slipway doctor does not know "${word}"`, {
        hint: 'slipway doctor [--json] [--root FOLDER]',
      });
    }
  }
  return { json, root };
}

function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error && errnoOf(error) !== 'EPIPE') reject(error);
      else resolve();
    });
  });
}
