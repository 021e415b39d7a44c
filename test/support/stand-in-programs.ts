import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Programs for the PATH, made in `bin`: each notes its arguments in `bin/calls`, a line a call. Returns `bin`. */
async function programs(bin: string, texts: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(bin, { recursive: true });
  for (const [name, text] of Object.entries(texts)) {
    const path = join(bin, name);
    await writeFile(path, `#!/bin/sh\nbin='${bin}'\nprintf '%s\\n' "${name} $*" >> "$bin/calls"\n${text}\n`);
    await chmod(path, 0o755);
  }
  return bin;
}

const keyringStates = `
case "$KEYRING_STATE" in
  locked) echo "Cannot get secret of a locked object" >&2; exit 1 ;;
  hangs) sleep 60 ;;
esac`;

/**
 * Stand-ins for `secret-tool` and `security`, which speak their command lines as far as looms uses them; items are files in
 * `bin`. `KEYRING_STATE` is `locked` or `hangs`.
 */
export const standInKeyrings = (bin: string): Promise<string> =>
  programs(bin, {
    'secret-tool': `${keyringStates}
      for word in "$@"; do last=$word; done
      case $1 in
        store) head -c 8192 > "$bin/item-$last" ;;
        lookup) if [ -f "$bin/item-$last" ]; then cat "$bin/item-$last"; else exit 1; fi ;;
        clear) rm "$bin/item-$last" ;;
        search)
          for item in "$bin"/item-*; do
            [ -f "$item" ] || continue
            printf '[/org/freedesktop/secrets/collection/login/1]\\nlabel = looms\\nsecret = '; cat "$item"
            printf '\\nschema = org.freedesktop.Secret.Generic\\n'
            printf 'attribute.service = looms\\nattribute.name = %s\\n' "\${item#"$bin"/item-}" >&2
          done ;;
      esac`,
    security: `${keyringStates}
      account() { while [ $# -gt 0 ]; do if [ "$1" = -a ]; then echo "$2"; fi; shift; done; }
      missing() { echo "security: SecKeychainSearchCopyNext: The specified item could not be found in the keychain." >&2; exit 44; }
      case $1 in
        -i)
          read -r line
          hex=\${line##* }
          node -e 'process.stdout.write(Buffer.from(process.argv[1], "hex"))' "$hex" > "$bin/item-$(account $line)" ;;
        find-generic-password) [ -f "$bin/item-$(account "$@")" ] || missing; cat "$bin/item-$(account "$@")"; echo ;;
        delete-generic-password) [ -f "$bin/item-$(account "$@")" ] || missing; rm "$bin/item-$(account "$@")" ;;
        dump-keychain)
          printf 'keychain: "/Users/me/login.keychain-db"\\nclass: "genp"\\n    "acct"<blob>="other"\\n    "svce"<blob>="mail"\\n'
          for item in "$bin"/item-*; do
            [ -f "$item" ] || continue
            printf 'keychain: "/Users/me/login.keychain-db"\\nclass: "genp"\\nattributes:\\n    "acct"<blob>="%s"\\n    "svce"<blob>="looms"\\n' "\${item#"$bin"/item-}"
          done ;;
      esac`,
  });

/**
 * Stand-ins for `op`, `aws`, `gcloud` and `az`. Values are files `bin/value-NAME`, with the name as the program is given it
 * (\`/\` as \`+\`); `STORE_STATE` is `signed-out` or `hangs`.
 */
export const standInStores = (bin: string): Promise<string> => {
  const states = (signedOut: string) => `
    case "$STORE_STATE" in
      signed-out) echo "${signedOut}" >&2; exit 1 ;;
      hangs) sleep 60 ;;
    esac
    after() { flag=$1; shift; while [ $# -gt 0 ]; do if [ "$1" = "$flag" ]; then echo "$2"; fi; shift; done; }
    value() { printf %s "$bin/value-$(printf %s "$1" | tr / +)"; }
    as_json() { node -e 'console.log(JSON.stringify(require("fs").readFileSync(process.argv[1], "utf8")))' "$1"; }`;
  return programs(bin, {
    op: `${states('[ERROR] 2026/11/28 19:00:00 account is not signed in')}
      for word in "$@"; do last=$word; done
      name=\${last#op://*/}; name=\${name%/*}
      [ -f "$(value "$name")" ] || { echo "[ERROR] 2026/11/28 19:00:00 could not read secret '$last': \\"$name\\" isn't an item in the \\"Team\\" vault. Specify the item with its UUID, name, or domain." >&2; exit 1; }
      cat "$(value "$name")"`,
    aws: `${states('Unable to locate credentials. You can configure credentials by running \\"aws configure\\".')}
      name=$(after --secret-id "$@"); code=ResourceNotFoundException; call=GetSecretValue
      if [ "$1" = ssm ]; then name=$(after --name "$@"); code=ParameterNotFound; call=GetParameter; fi
      [ -f "$(value "$name")" ] || { printf '\\nAn error occurred (%s) when calling the %s operation: not there\\n' $code $call >&2; exit 254; }
      as_json "$(value "$name")"`,
    gcloud: `${states('ERROR: (gcloud.secrets.versions.access) You do not currently have an active account selected.')}
      for word in "$@"; do case $word in --secret=*) name=\${word#--secret=} ;; esac; done
      [ -f "$(value "$name")" ] || { echo "ERROR: (gcloud.secrets.versions.access) NOT_FOUND: Secret [projects/1/secrets/$name] not found or has no versions." >&2; exit 1; }
      cat "$(value "$name")"`,
    az: `${states("ERROR: Please run 'az login' to setup account.")}
      name=$(after --name "$@")
      [ -f "$(value "$name")" ] || { echo "ERROR: (SecretNotFound) A secret with (name/id) $name was not found in this key vault." >&2; exit 3; }
      as_json "$(value "$name")"`,
  });
};
