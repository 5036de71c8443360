import { suggest } from '../../core/suggest.ts';
import { invalidOption } from './invalid-option.ts';

const ENTITLEMENTS = ['network.host', 'security.insecure', 'device', 'buildx.local.delete'];

/** A device's name, and what Dockerfiles may call it besides. */
const DEVICE = /^device=[^,=]+(=[^,]+)?(,alias=[^,]+)?$/;

/** `--allow network.host|security.insecure|device[=NAME[,alias=NAME]]|buildx.local.delete`; anything else is refused, never ignored. */
export function parseEntitlements(values: readonly string[]): readonly string[] {
  for (const text of values) {
    const [name = ''] = text.split('=', 1);
    if (ENTITLEMENTS.includes(text) || DEVICE.test(text)) continue;
    const meant = suggest(name, ENTITLEMENTS);
    const hint = meant === undefined ? `there are: ${ENTITLEMENTS.join(', ')}` : `did you mean ${meant}?`;
    throw invalidOption('--allow', `"${text}" is no entitlement`, hint);
  }
  return [...new Set(values)];
}
