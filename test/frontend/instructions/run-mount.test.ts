import { expect, test } from 'vitest';
import { parseRunMount, parseRunMountFlag } from '../../../frontend/instructions/run-mount.ts';

function read(written: string) {
  const { written: _written, ...mount } = parseRunMount(written, (value) => value.replace('$X', 'expanded'));
  return mount;
}

test.each([
  ['target=/t', { type: 'bind', target: '/t', readonly: true, required: false }],
  ['type=bind,src=/a,dst=/b,rw', { type: 'bind', source: '/a', target: '/b', readonly: false, required: false }],
  [
    'Type=CACHE,destination=/c,id=$X,sharing=Locked',
    { type: 'cache', target: '/c', id: 'expanded', sharing: 'locked', readonly: false, required: false },
  ],
  [
    'type=cache,target=/c,ro=true,mode=0700,uid=1,gid=2',
    { type: 'cache', target: '/c', readonly: true, mode: 0o700, uid: 1, gid: 2, required: false },
  ],
  [
    'type=tmpfs,target=/t,size=64m',
    { type: 'tmpfs', target: '/t', sizeBytes: 64 << 20, readonly: false, required: false },
  ],
  ['type=secret,id=a,required,env=', { type: 'secret', id: 'a', required: true, env: '', readonly: true }],
  [
    'type=secret,target=/a,required=false,readwrite=1',
    { type: 'secret', target: '/a', required: false, readonly: false },
  ],
  ['type=ssh,mode=600', { type: 'ssh', mode: 0o600, required: false, readonly: true }],
  ['"type=bind","target=/a,b"', { type: 'bind', target: '/a,b', readonly: true, required: false }],
  [
    'type=bind,target=/a,from=x,readwrite=false',
    { type: 'bind', target: '/a', from: 'x', readonly: true, required: false },
  ],
])('%j is read as %j', (written, mount) => {
  expect(read(written)).toEqual(mount);
});

test.each([
  ['type=volume', 'unsupported mount type "volume"'],
  ['type=cache,sharing=sometimes', 'unsupported sharing value "sometimes"'],
  ['type=bind,sharing=shared', 'invalid cache sharing set for bind mount'],
  ['required,type=secret', "unexpected key 'required' for mount type 'bind'"],
  ['type=cache,size=1', "unexpected key 'size' for mount type 'cache'"],
  ['type=tmpfs,size=lots', 'invalid value for size: lots'],
  ['type=tmpfs,mode=1', 'mode not allowed for "tmpfs" type mounts'],
  ['uid=1', 'uid not allowed for "bind" type mounts'],
  ['type=cache,mode=9z', 'invalid value 9z for mode'],
  ['type=cache,gid=-1', 'invalid value -1 for gid'],
  ['type=secret', 'invalid secret mount. one of source, target required'],
  ['type=secret,src=a,id=b', "both source and id can't be set"],
  ['type=secret,id=a,from=b', 'secret mount should not have a from'],
  ['ro=maybe', 'invalid value for ro: maybe'],
  ['traget=/a', "unexpected key 'traget' in 'traget=/a'"],
  ['target', "invalid field 'target' must be a key=value pair"],
  ['', 'failed to parse csv mounts: EOF'],
  ['a="b"', 'bare " in non-quoted-field'],
  ['"a', 'extraneous or missing " in quoted-field'],
])('%j is refused', (written, message) => {
  expect(() => read(written)).toThrow(message);
});

test('before expansion only from matters, and takes no variable', () => {
  expect(parseRunMountFlag('type=$T,from=base,nonsense=1')).toEqual({
    written: 'type=$T,from=base,nonsense=1',
    from: 'base',
  });
  expect(parseRunMountFlag('from=a$').from).toBe('a$');
  expect(() => parseRunMountFlag('from=$BASE')).toThrow(
    "'from' doesn't support variable expansion, define alias stage instead",
  );
});
