/** How esbuild makes one module of many for the program: as small as can be while names stay, which stacks show; in memory. */
export const bundleForNode = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  write: false,
};
