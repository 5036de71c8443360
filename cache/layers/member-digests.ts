import { hash } from 'node:crypto';
import { type DigestState, digestStateForm } from '../../src/core/resumable-digest.ts';
import { BackgroundDigest } from '../content/background-digest.ts';
import type { MemberKey } from './member-keys.ts';

/** What the digests of a blob and of its tar have come to behind one of its members, for the same Node. */
export type MemberDigestStates = Buffer & { readonly __memberDigestStates: never };

/** The digests of a blob in the making and of the tar in it. */
export class MemberDigests {
  readonly tar = new BackgroundDigest();
  readonly blob = new BackgroundDigest();

  /** Everything else may be asked only after it has settled. */
  async flush(): Promise<void> {
    await Promise.all([this.tar.flush(), this.blob.flush()]);
  }

  /** Undefined where this Node does not give them out. */
  states(): MemberDigestStates | undefined {
    const [tar, blob] = [this.tar.state(), this.blob.state()];
    return tar === undefined || blob === undefined ? undefined : (Buffer.concat([tar, blob]) as MemberDigestStates);
  }

  /** Goes on as if all members that led to the states had been given. */
  resume(states: MemberDigestStates): void {
    const middle = states.length / 2;
    this.tar.resume(states.subarray(0, middle) as DigestState);
    this.blob.resume(states.subarray(middle) as DigestState);
  }
}

/** Names a member together with all bytes before it, in its blob and in the tar. */
export function followingKey(before: MemberDigestStates, key: MemberKey): MemberKey {
  const text = `following ${digestStateForm()} ${before.toString('hex')} ${key.toString('hex')}`;
  return hash('sha256', text, 'buffer') as MemberKey;
}
