import { type ExecMount, type ExecOp, vertex } from '../../solver/vertex.ts';
import { SlipwayError } from '../../src/core/errors.ts';
import type { NetworkMode } from '../../src/core/executor.ts';
import type { FrontendRequest } from '../frontend.ts';
import type { RunInstruction, RunMount } from '../instructions/instruction.ts';
import { setLast } from '../stages/global-args.ts';
import { withShell } from './convert-metadata.ts';
import { graphInputs } from './graph-inputs.ts';
import { addHistory } from './history.ts';
import { proxyEnvironment } from './proxy-environment.ts';
import { execMounts, expandMounts } from './run-mounts.ts';
import { readScript } from './run-script.ts';
import type { StageState, StepScope } from './stage-state.ts';
import { displayText, nextStepName } from './step-name.ts';

/** RUN: a process on the stage's filesystem. */
export function convertRun(run: RunInstruction, state: StageState, scope: StepScope): void {
  const mounts = expandMounts(run, state, scope);
  const script = readScript(run, state);
  const args = withShell(script.command, state);
  if (args.length === 0)
    throw new SlipwayError('SLIPWAY_RUN_INVALID', 'RUN has no command: arguments are required', {
      hint: 'write RUN ["program", "argument"] or RUN command',
    });
  const inputs = graphInputs();
  const root = inputs.refer(state.root);
  const allMounts = [...script.mounts(inputs), ...execMounts(mounts, { state, scope, inputs })].sort(byTarget);
  const op: ExecOp = {
    kind: 'exec',
    root,
    args,
    env: environment(mounts, state),
    cwd: state.workdir,
    user: state.user,
    mounts: allMounts,
    platform: state.platform,
    ...permissions(run, scope.request),
  };
  const name = nextStepName(runText(run, mounts, { state, scope, summary: script.summary }), state, scope);
  state.root = vertex(op, inputs.vertices, {
    name,
    stage: state.stage.label,
    source: scope.source,
    ...(state.ignoreCache ? { ignoreCache: true } : {}),
  });
  addHistory(state, `RUN ${[...buildArgPrefix(state), ...args].join(' ')}`, 'layer');
}

/** What the flags of the instruction and the request say together of the sandbox. */
function permissions(
  run: RunInstruction,
  request: FrontendRequest,
): Pick<ExecOp, 'hostname' | 'network' | 'security' | 'devices' | 'unkeyed'> {
  const hostname = request.buildArgs.BUILDKIT_SANDBOX_HOSTNAME || request.hostname;
  return {
    ...(hostname ? { hostname } : {}),
    network: networkOf(run, request),
    security: securityOf(run, request),
    devices: run.devices,
    unkeyed: unkeyed(request),
  };
}

/** Parents come before what is mounted below them. */
function byTarget(a: ExecMount, b: ExecMount): number {
  const [first, second] = [a.target ?? '', b.target ?? ''];
  return first < second ? -1 : first > second ? 1 : 0;
}

function environment(mounts: readonly RunMount[], state: StageState): readonly string[] {
  const env = new Map(state.env);
  const ssh = mounts.find((mount) => mount.type === 'ssh');
  if (ssh !== undefined && !env.has('SSH_AUTH_SOCK'))
    setLast(env, 'SSH_AUTH_SOCK', ssh.target || '/run/buildkit/ssh_agent.0');
  return Array.from(env, ([key, value]) => `${key}=${value}`);
}

function networkOf({ network }: RunInstruction, request: FrontendRequest): NetworkMode {
  if (network === 'none') return 'none';
  const mode = network === 'host' ? 'host' : request.network;
  if (mode === 'host' && request.network !== 'host' && !request.entitlements.networkHost)
    throw notAllowed('network.host', 'RUN --network=host');
  return mode;
}

function securityOf({ security }: RunInstruction, request: FrontendRequest): 'sandbox' | 'insecure' {
  if (security !== 'insecure') return 'sandbox';
  if (!request.entitlements.securityInsecure) throw notAllowed('security.insecure', 'RUN --security=insecure');
  return 'insecure';
}

function notAllowed(entitlement: string, flag: string): SlipwayError {
  return new SlipwayError('SLIPWAY_ENTITLEMENT_MISSING', `${entitlement} is not allowed: ${flag} asks for it`, {
    hint: `allow it with --allow ${entitlement}, if you trust this Dockerfile`,
  });
}

function unkeyed(request: FrontendRequest): ExecOp['unkeyed'] {
  return {
    proxyEnv: proxyEnvironment(request.buildArgs),
    extraHosts: request.extraHosts,
    ulimits: request.ulimits,
    ...(request.dns === undefined ? {} : { dns: request.dns }),
    ...(request.shmSizeBytes === undefined ? {} : { shmSizeBytes: request.shmSizeBytes }),
    ...(request.resources === undefined ? {} : { resources: request.resources }),
    ...(request.cgroupParent === undefined ? {} : { cgroupParent: request.cgroupParent }),
  };
}

/** The instruction for its step's name: unset variables stay, as the shell may know them; secrets in variables show as stars. */
function runText(
  run: RunInstruction,
  mounts: readonly RunMount[],
  { state, scope, summary }: { readonly state: StageState; readonly scope: StepScope; readonly summary: string },
): string {
  const env = new Map(state.env);
  for (const mount of mounts) if (mount.type === 'secret' && mount.env !== undefined) env.set(mount.env, '****');
  return displayText(`${run.original}${summary}`, env, {
    escape: scope.dockerfile.escape,
    quotes: 'keep',
    unset: 'keep',
  });
}

/** `|2 A=1 B=2`: the ARGs in scope with the values that they have now. */
function buildArgPrefix({ buildArgs, env }: StageState): readonly string[] {
  const values = new Map(buildArgs.map(({ key, value = '' }) => [key, env.get(key) ?? value]));
  if (values.size === 0) return [];
  return [`|${values.size}`, ...Array.from(values, ([key, value]) => `${key}=${value}`)];
}
