/** The addresses in a step's network: those of slirp4netns, which it cannot be told, and so pasta's too. */
export const NAMESPACE_ADDRESSES = {
  own: '10.0.2.100',
  prefix: '24',
  gateway: '10.0.2.2',
  nameServer: '10.0.2.3',
} as const;
