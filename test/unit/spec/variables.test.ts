import { describe, expect, test } from 'vitest';
import { check, document, only } from './checking.ts';

describe('variables and secrets', () => {
  test('a missing variable is an error at its own column', () => {
    expect(
      check(document({ mcp: ['command: run', "args: [a, 'say ${GREETING} to ${WHO}']"] }), {
        environment: { GREETING: 'hi' },
      }),
    ).toMatchInlineSnapshot(
      `"6:33 error[variable-missing] mcp_server.args[1]: variable WHO is not set (hint: set WHO in the environment of looms, give a default with \${WHO:-value}, or write $\${WHO} for the text itself)"`,
    );
  });

  test('a missing variable in an environment is an error too', () => {
    expect(check(document({ mcp: ['command: run', "env: { HOST: 'x-${TD_HOST}' }"] }))).toMatchInlineSnapshot(
      `"6:19 error[variable-missing] mcp_server.env.HOST: variable TD_HOST is not set (hint: set TD_HOST in the environment of looms, give a default with \${TD_HOST:-value}, or write $\${TD_HOST} for the text itself)"`,
    );
  });

  test("a message of the user's own is shown", () => {
    expect(
      check(document({ mcp: ['command: run', "env: { HOST: '${TD_HOST:?name the database host}' }"] })),
    ).toMatchInlineSnapshot(
      `"6:17 error[variable-missing] mcp_server.env.HOST: variable TD_HOST is not set: name the database host (hint: set TD_HOST in the environment of looms)"`,
    );
  });

  test('a placeholder that is none is an error', () => {
    expect(
      check(document({ mcp: ['command: run', "args: ['${1}', '${A-b}', '${', '${A:=b}']"] })),
    ).toMatchInlineSnapshot(`
      "6:11 error[variable-syntax] mcp_server.args[0]: \${1} is not a variable (hint: write $\${ for a literal \${)
      6:19 error[variable-syntax] mcp_server.args[1]: \${A-b} is not one of \${NAME}, \${NAME:-default}, \${NAME:?message}, \${secret:NAME} (hint: write $\${ for a literal \${)
      6:29 error[variable-syntax] mcp_server.args[2]: \${ is never closed (hint: write $\${ for a literal \${)
      6:35 error[variable-syntax] mcp_server.args[3]: \${A:=b} is not one of \${NAME}, \${NAME:-default}, \${NAME:?message}, \${secret:NAME} (hint: write $\${ for a literal \${)"
    `);
  });

  test('a secret that is written in another way is led to the right one', () => {
    expect(
      check(document({ mcp: ['command: run', "env: { A: '${secrets:token}', B: '${secret.token}' }"] })),
    ).toMatchInlineSnapshot(`
      "6:14 error[variable-syntax] mcp_server.env.A: \${secrets:token} is not a variable (hint: did you mean \${secret:token}?)
      6:37 error[variable-syntax] mcp_server.env.B: \${secret.token} is not a variable (hint: did you mean \${secret:token}?)"
    `);
  });

  test('a secret outside of an environment is an error', () => {
    expect(check(document({ mcp: ['command: run', "args: ['${secret:token}']"] }))).toMatchInlineSnapshot(
      `"6:11 error[secret-not-here] mcp_server.args[0]: \${secret:token} stands outside of env and environment (hint: hand the secret to the process as a variable: mcp_server.env)"`,
    );
  });

  test('a secret needs a proper name', () => {
    expect(check(document({ mcp: ['command: run', "env: { A: '${secret:a/b}' }"] }))).toMatchInlineSnapshot(
      `"6:14 error[variable-syntax] mcp_server.env.A: \${secret:a/b} does not name a secret (hint: write $\${ for a literal \${)"`,
    );
  });

  test('a credential as a literal is a warning', () => {
    expect(
      check(
        document({ mcp: ['command: run', "env: { DB_PASSWORD: hunter2, API_KEY: abc, PGURL: 'postgres://u:p@h/d' }"] }),
      ),
    ).toMatchInlineSnapshot(`
      "6:23 warning[credential-literal] mcp_server.env.DB_PASSWORD: DB_PASSWORD looks like a credential, and its value stands in the file (hint: write \${secret:db_password} or \${DB_PASSWORD})
      6:41 warning[credential-literal] mcp_server.env.API_KEY: API_KEY looks like a credential, and its value stands in the file (hint: write \${secret:api_key} or \${API_KEY})
      6:53 warning[credential-literal] mcp_server.env.PGURL: PGURL looks like a credential, and its value stands in the file (hint: write \${secret:pgurl} or \${PGURL})"
    `);
  });

  test('a credential is known by its whole key, whatever stands in it, and gets a hint that can be written', () => {
    expect(
      check(
        document({
          backend: ['environment: { "MY.TOKEN": abc, "TOKEN.COUNT": "4", "API.KEY": "${API_TOKEN}", db-password: x }'],
        }),
      ),
    ).toMatchInlineSnapshot(`
      "4:30 warning[credential-literal] docker_backend.environment["MY.TOKEN"]: MY.TOKEN looks like a credential, and its value stands in the file (hint: write \${secret:my_token} or \${MY_TOKEN})
      4:95 warning[credential-literal] docker_backend.environment.db-password: db-password looks like a credential, and its value stands in the file (hint: write \${secret:db_password} or \${db_password})"
    `);
  });

  test('a credential that would go into an image is named by its whole key', () => {
    const env = 'env: { "NPM.TOKEN": "${T}", "A.SECRET": s }';
    const text = `name: a\ndocker_backend: { build_config: { from_image: "x:1", ${env} } }`;
    expect(check(text, { environment: { T: 't' } })).toMatchInlineSnapshot(`
      "2:74 error[credential-in-image] docker_backend.build_config.env["NPM.TOKEN"]: NPM.TOKEN would store the value of T in the image (hint: hand it to the process instead: mcp_server.env)
      2:94 warning[credential-literal] docker_backend.build_config.env["A.SECRET"]: A.SECRET looks like a credential, and its value stands in the file (hint: everyone who has the image can read it: use mcp_server.env)"
    `);
  });

  test('a credential as a literal is an error with --strict', () => {
    expect(
      check(document({ mcp: ['command: run', 'env: { DB_PASSWORD: hunter2 }'] }), { strict: true }),
    ).toMatchInlineSnapshot(
      `"6:23 error[credential-literal] mcp_server.env.DB_PASSWORD: DB_PASSWORD looks like a credential, and its value stands in the file (hint: write \${secret:db_password} or \${DB_PASSWORD})"`,
    );
  });

  test('words that only contain one are no credentials', () => {
    expect(
      check(
        document({
          mcp: [
            'command: run',
            'env: { MAX_TOKENS: 5, KEYBOARD: de, TOKEN_FILE: /x, PUBLIC_KEY: x, MONKEY: y, PASSWORD: "" }',
          ],
        }),
      ),
    ).toMatchInlineSnapshot(`""`);
  });

  test('a credential in the arguments is a warning', () => {
    expect(
      check(document({ mcp: ['command: run', "args: ['--token=${API_TOKEN}']"] }), { environment: { API_TOKEN: 'x' } }),
    ).toMatchInlineSnapshot(
      `"6:10 warning[credential-visible] mcp_server.args[0]: the value of API_TOKEN becomes part of the container's config (hint: hand it to the process as a variable: mcp_server.env)"`,
    );
  });

  test('a variable that is a credential in one place is one in all of the document', () => {
    const environment = { GH: 'x', HOST: 'h', PW: 'p', USER_ID: 'u', FROM: 'f' };
    const text = document({
      mcp: [
        'command: run',
        "env: { WHERE: 'https://${GH}@x', API_TOKEN: '${GH}', A_URL: '${PW} ${FROM}',",
        "  DATABASE_URI: 'postgres://${USER_ID}:${PW}@${HOST}/d' }",
        'env_from: [FROM]',
        "args: ['--token=${GH}', '--host=${HOST}', '${PW}', '${FROM}', '${USER_ID}']",
      ],
    });
    expect(check(text, { environment })).toMatchInlineSnapshot(`
      "9:10 warning[credential-visible] mcp_server.args[0]: the value of GH becomes part of the container's config (hint: hand it to the process as a variable: mcp_server.env)
      9:45 warning[credential-visible] mcp_server.args[2]: the value of PW becomes part of the container's config (hint: hand it to the process as a variable: mcp_server.env)
      9:54 warning[credential-visible] mcp_server.args[3]: the value of FROM becomes part of the container's config (hint: hand it to the process as a variable: mcp_server.env)"
    `);
    expect(only(text, { environment }).spec.mcp.env).toMatchObject({
      WHERE: { kind: 'secret', parts: ['https://', { from: 'environment', name: 'GH' }, '@x'] },
      API_TOKEN: { kind: 'secret', parts: [{ from: 'environment', name: 'GH' }] },
      A_URL: {
        kind: 'secret',
        parts: [{ from: 'environment', name: 'PW' }, ' ', { from: 'environment', name: 'FROM' }],
      },
    });
  });

  test('a credential in an image is an error', () => {
    expect(
      check(
        [
          'name: a',
          "docker_backend: { build_config: { from_image: x, env: { NPM_TOKEN: '${NPM_TOKEN:-x}', A_SECRET: abc } } }",
        ].join('\n'),
      ),
    ).toMatchInlineSnapshot(`
      "2:68 error[credential-in-image] docker_backend.build_config.env.NPM_TOKEN: NPM_TOKEN would store the value of NPM_TOKEN in the image (hint: hand it to the process instead: mcp_server.env)
      2:97 warning[credential-literal] docker_backend.build_config.env.A_SECRET: A_SECRET looks like a credential, and its value stands in the file (hint: everyone who has the image can read it: use mcp_server.env)"
    `);
  });

  test('a variable that is no number says what was expected', () => {
    expect(
      check(document({ backend: ['resource_limits: { cpu_cores: "${CPUS}" }'] }), { environment: { CPUS: 'many' } }),
    ).toMatchInlineSnapshot(
      `"4:33 error[wrong-type] docker_backend.resource_limits.cpu_cores: cpu_cores: expected a number from 0.01 to 1024, got "many""`,
    );
  });
});
