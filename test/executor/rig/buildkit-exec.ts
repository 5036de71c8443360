import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';

/** One process in a container of BuildKit's, on an image that its daemon has. */
export interface BuildkitExec {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly network: 'host' | 'none';
  readonly security: 'sandbox' | 'insecure';
}

/**
 * Runs it by the API that dockerd serves on its unix socket (moby/buildkit, control.proto and ops.proto), because Dockerfiles of
 * its built-in frontend know no `--security`; resolves to what was written to standard output.
 */
export async function execInBuildkit(socketPath: string, exec: BuildkitExec): Promise<string> {
  const socket = await upgraded(socketPath);
  const session = connectHttp2('http://buildkit', { createConnection: () => socket });
  try {
    const ref = randomBytes(8).toString('hex');
    const entitlements = ['network.host', 'security.insecure'].map((name) => text(9, name));
    const solve = call(session, 'Solve', Buffer.concat([text(1, ref), bytes(2, definition(exec)), ...entitlements]));
    const answers = await call(session, 'Status', text(1, ref));
    await solve;
    return answers
      .flatMap((answer) =>
        fields(answer)
          .filter(({ tag }) => tag === 3)
          .map(({ value }) => outputOf(value)),
      )
      .join('');
  } finally {
    session.close();
  }
}

const HEAD_END = '\r\n\r\n';

async function upgraded(path: string): Promise<Duplex> {
  const socket = connect(path);
  await once(socket, 'connect');
  socket.write('POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  let answer = Buffer.alloc(0);
  while (!answer.includes(HEAD_END)) {
    await once(socket, 'readable');
    answer = Buffer.concat([answer, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
  }
  if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(answer.toString());
  socket.unshift(answer.subarray(answer.indexOf(HEAD_END) + HEAD_END.length));
  // HTTP/2 would read past what was put back into a socket.
  return Duplex.from({ readable: socket, writable: socket });
}

/** A gRPC call: one message in, all messages out. */
async function call(session: ClientHttp2Session, method: string, message: Buffer): Promise<Buffer[]> {
  const headers = {
    ':method': 'POST',
    ':path': `/moby.buildkit.v1.Control/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const stream = session.request(headers);
  const problems: unknown[] = [];
  stream.on('trailers', (trailers) => {
    if (trailers['grpc-status'] !== '0') problems.push(trailers['grpc-message']);
  });
  stream.on('response', (response) => {
    if (response['grpc-status'] !== undefined && response['grpc-status'] !== '0')
      problems.push(response['grpc-message']);
  });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const received = Buffer.concat(chunks);
  if (problems.length > 0) throw new Error(`${method}: ${problems.join('; ')}`);
  const messages: Buffer[] = [];
  for (let at = 0; at < received.length; at += 5 + received.readUInt32BE(at + 1))
    messages.push(received.subarray(at + 5, at + 5 + received.readUInt32BE(at + 1)));
  return messages;
}

/** pb.Definition of: the image, the process on it, and the vertex that asks for its root. */
function definition({ image, args, env, user, network, security }: BuildkitExec): Buffer {
  const local = bytes(2, Buffer.concat([text(1, 'image.resolvemode'), text(2, 'local')]));
  const source = bytes(3, Buffer.concat([text(1, `docker-image://${image}`), local]));
  const meta = [...args.map((arg) => text(1, arg)), ...env.map((entry) => text(2, entry)), text(3, '/'), text(4, user)];
  const root = Buffer.concat([text(3, '/')]);
  const exec = Buffer.concat([
    bytes(1, Buffer.concat(meta)),
    bytes(2, root),
    number(3, network === 'host' ? 1 : 2),
    number(4, security === 'insecure' ? 1 : 0),
  ]);
  const process = Buffer.concat([inputOf(source), bytes(2, exec)]);
  return Buffer.concat([source, process, inputOf(process)].map((op) => bytes(1, op)));
}

function inputOf(op: Buffer): Buffer {
  return bytes(1, text(1, `sha256:${createHash('sha256').update(op).digest('hex')}`));
}

function text(tag: number, value: string): Buffer {
  return bytes(tag, Buffer.from(value));
}

function bytes(tag: number, value: Buffer): Buffer {
  return Buffer.concat([varint((tag << 3) | 2), varint(value.length), value]);
}

function number(tag: number, value: number): Buffer {
  return Buffer.concat([varint(tag << 3), varint(value)]);
}

function varint(value: number): Buffer {
  return value < 0x80
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value & 0x7f) | 0x80]), varint(value >>> 7)]);
}

/** VertexLog: its message, where that is of standard output. */
function outputOf(log: Buffer): string {
  const parts = fields(log);
  const isOutput = parts.some(({ tag, number }) => tag === 3 && number === 1);
  return isOutput ? (parts.find(({ tag }) => tag === 4)?.value.toString() ?? '') : '';
}

interface Field {
  readonly tag: number;
  readonly number: number;
  readonly value: Buffer;
}

/** The fields of a protobuf message that has only numbers and byte strings. */
function fields(message: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const next = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = next();
    const length = next();
    const isBytes = (key & 7) === 2;
    found.push({
      tag: key >>> 3,
      number: length,
      value: isBytes ? message.subarray(at, at + length) : Buffer.alloc(0),
    });
    if (isBytes) at += length;
  }
  return found;
}
