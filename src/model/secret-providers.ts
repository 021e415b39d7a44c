/** A source of secrets besides the built-in ones (`looms.yaml: secrets.providers`); paths are absolute. */
export type SecretProviderConfig =
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'command'; readonly argv: readonly string[] };
