import { SlipwayError } from '../core/errors.ts';
import { suggest } from '../core/suggest.ts';

const OVERVIEW = `Usage: slipway COMMAND

Builds OCI images from Dockerfiles without a daemon and without root.

Commands:
  build     build an image
  graph     print the steps of a build without running any
  context   show what a build would see of its context
  doctor    tell how RUN steps can be run here, and what gains more
  images    list the images in the store, or remove some
  prune     remove what nothing needs from the store
  shell     open a shell in a RUN step that failed
  version   print the version
  help      print this, or the help of a command

slipway build --help lists the options of a build.
`;

const COMMANDS = ['build', 'graph', 'context', 'doctor', 'images', 'prune', 'shell', 'version', 'help'];

/** Runs the command that the arguments name; resolves to the exit status of the process. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case 'build':
      return (await import('./build-command.ts')).runBuildCommand(rest);
    case 'graph':
      return (await import('./graph-command.ts')).runGraphCommand(rest);
    case 'context':
      return (await import('./context-command.ts')).runContextCommand(rest);
    case 'doctor':
      return (await import('./doctor-command.ts')).runDoctorCommand(rest);
    case 'images':
      return (await import('./images-command.ts')).runImagesCommand(rest);
    case 'prune':
      return (await import('./prune-command.ts')).runPruneCommand(rest);
    case 'shell':
      return (await import('./shell-command.ts')).runShellCommand(rest);
    case 'version':
    case '--version':
      process.stdout.write(`slipway ${(await import('./version.ts')).packageVersion()}\n`);
      return 0;
    case 'help':
    case '--help':
    case '-h':
    case undefined:
      if (rest[0] !== undefined) return runCommandLine([rest[0], '--help']);
      process.stdout.write(OVERVIEW);
      return 0;
    default:
      return unknownCommand(command);
  }
}

async function unknownCommand(command: string): Promise<number> {
  const { errorReport } = await import('./error-report.ts');
  const meant = suggest(command, COMMANDS);
  const error = new SlipwayError('SLIPWAY_COMMAND_UNKNOWN', `slipway has no command "${command}"`, {
    hint: meant === undefined ? `the commands are: ${COMMANDS.join(', ')}` : `did you mean slipway ${meant}?`,
  });
  process.stderr.write(errorReport(error, { debug: false }));
  return 2;
}
