import { errnoOf, SlipwayError } from '../core/errors.ts';
import { type RequestSubject, TemporaryFailure } from './registry-error.ts';

/** What may go better at once: the connection was cut, or a name server was busy. */
const TEMPORARY = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ECONNABORTED', 'EHOSTUNREACH', 'ENETUNREACH'];

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ENOTFOUND: 'the host is not known',
  EAI_AGAIN: 'the host could not be looked up',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
};

/**
 * What a failed connection to `host` means to the user: SLIPWAY_REGISTRY_UNREACHABLE, or TemporaryFailure around it. An abort
 * rethrows its reason, and an error that is not Node's own about a connection is given back as it is.
 */
export function connectionFailure(error: unknown, subject: RequestSubject, host: string, signal: AbortSignal): unknown {
  signal.throwIfAborted();
  const errno = errnoOf(error);
  if (!(error instanceof Error) || errno === undefined || error instanceof SlipwayError) return error;
  const isTls = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_PROXY|EPROTO|HPE_)/.test(errno);
  if (!isTls && WORDS[errno] === undefined && !TEMPORARY.includes(errno)) return error;
  const why = WORDS[errno] ?? `${error.message} (${errno})`;
  const failure = new SlipwayError('SLIPWAY_REGISTRY_UNREACHABLE', `cannot ${subject.task}: ${host}: ${why}`, {
    hint: hintFor(errno, host),
    cause: error,
  });
  return TEMPORARY.includes(errno) ? new TemporaryFailure(failure) : failure;
}

function hintFor(errno: string, host: string): string {
  if (/^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS)/.test(errno))
    return 'add the certificate authority to the system, or name its file in SSL_CERT_FILE or NODE_EXTRA_CA_CERTS';
  if (errno === 'EPROTO' || errno.startsWith('ERR_SSL')) return `check that ${host} speaks https`;
  if (errno.startsWith('HPE_')) return `check that ${host} speaks http`;
  return 'check the name, the network, and HTTP_PROXY, HTTPS_PROXY and NO_PROXY';
}
