import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** A folder with what `inOwnMounts` mounts. Disposing removes it. */
export interface OwnMounts extends Disposable {
  /** Starts a command in mounts of its own, where everybody may use /dev/net/tun; to be run as root. */
  readonly under: readonly string[];
}

export interface OwnMountsOptions {
  /** What /etc/resolv.conf is there. */
  readonly resolvConf?: string;
  /** Programs that cannot be executed there. */
  readonly hidden?: readonly string[];
}

const SCRIPT = `set -e
folder=$1 hidden=$2
shift 2
mknod -m 666 "$folder/tun" c 10 200 2>/dev/null || true
chmod 666 "$folder/tun"
mount --bind "$folder/tun" /dev/net/tun
[ ! -e "$folder/resolv.conf" ] || mount --bind "$folder/resolv.conf" /etc/resolv.conf
for program in $hidden; do mount --bind /dev/null "$program"; done
exec "$@"`;

/** Mounts for slipway's processes alone: nothing of the machine changes. */
export function ownMounts({ resolvConf, hidden = [] }: OwnMountsOptions = {}): OwnMounts {
  const folder = mkdtempSync(`${tmpdir()}/slipway-mounts-`);
  if (resolvConf !== undefined) writeFileSync(`${folder}/resolv.conf`, resolvConf);
  const unshare = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh'];
  return {
    under: [...unshare, folder, hidden.join(' ')],
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
