/**
 * What public specs of MCP servers hold, as far as finding credentials goes: the variables that they name, and values
 * of the kinds that they show. Read in 40 public specs in November 2026 (server.yaml of Docker's MCP registry,
 * server.json of the MCP registry, smithery.yaml, mcp.json, compose files); the values are ours.
 */
export type PublicSpec = {
  readonly server: string;
  /** Variables whose value is a credential. */
  readonly credentials: readonly string[];
  /** Variables whose value is none, with one. */
  readonly settings: Readonly<Record<string, string>>;
  /** Arguments and labels, none of which is a credential. */
  readonly texts?: readonly string[];
};

export const publicSpecs: readonly PublicSpec[] = [
  {
    server: 'grafana',
    credentials: ['GRAFANA_API_KEY'],
    settings: { GRAFANA_URL: 'http://grafana.internal:3000' },
    texts: ['--transport=stdio'],
  },
  {
    server: 'atlassian',
    credentials: ['CONFLUENCE_API_TOKEN', 'CONFLUENCE_PERSONAL_TOKEN', 'JIRA_API_TOKEN', 'JIRA_PERSONAL_TOKEN'],
    settings: {
      CONFLUENCE_URL: 'https://acme.atlassian.net/wiki',
      CONFLUENCE_USERNAME: 'ann.other@acme.example',
      JIRA_URL: 'https://acme.atlassian.net',
      JIRA_USERNAME: 'ann.other@acme.example',
    },
  },
  {
    server: 'slack',
    credentials: ['SLACK_BOT_TOKEN'],
    settings: { SLACK_TEAM_ID: 'T0AB12CD3', SLACK_CHANNEL_IDS: 'C0AB12CD3, C0EF45GH6' },
  },
  { server: 'notion', credentials: ['INTERNAL_INTEGRATION_TOKEN'], settings: {} },
  { server: 'mongodb', credentials: ['MDB_MCP_CONNECTION_STRING'], settings: {} },
  { server: 'stripe', credentials: ['STRIPE_SECRET_KEY'], settings: {}, texts: ['--tools=all'] },
  {
    server: 'redis',
    credentials: ['REDIS_PWD'],
    settings: {
      REDIS_HOST: '10.0.0.7',
      REDIS_PORT: '6379',
      REDIS_USERNAME: 'reader',
      REDIS_SSL: 'False',
      REDIS_CA_PATH: '/etc/redis/ca',
      REDIS_SSL_KEYFILE: '/etc/redis/client.key',
      REDIS_SSL_CERTFILE: '/etc/redis/client.crt',
      REDIS_CERT_REQS: 'required',
      REDIS_CA_CERTS: '/etc/redis/ca.pem',
      REDIS_CLUSTER_MODE: 'False',
    },
  },
  {
    server: 'neo4j',
    credentials: ['NEO4J_PASSWORD'],
    settings: {
      NEO4J_URL: 'bolt://graph.internal:7687',
      NEO4J_USERNAME: 'neo4j',
      NEO4J_DATABASE: 'movies',
      NEO4J_NAMESPACE: 'team-a',
      NEO4J_TRANSPORT: 'http',
      NEO4J_MCP_SERVER_HOST: '0.0.0.0',
      NEO4J_MCP_SERVER_PORT: '8000',
      NEO4J_MCP_SERVER_PATH: '/mcp/',
      NEO4J_MCP_SERVER_ALLOW_ORIGINS: 'acme.example,www.acme.example',
      NEO4J_MCP_SERVER_ALLOWED_HOSTS: 'localhost,127.0.0.1',
      NEO4J_READ_TIMEOUT: '30',
      NEO4J_RESPONSE_TOKEN_LIMIT: '10000',
      NEO4J_READ_ONLY: 'true',
      NEO4J_SCHEMA_SAMPLE_SIZE: '1000',
    },
  },
  {
    server: 'firecrawl',
    credentials: ['FIRECRAWL_API_KEY'],
    settings: {
      FIRECRAWL_API_URL: 'https://crawl.acme.example/v1',
      FIRECRAWL_RETRY_MAX_ATTEMPTS: '5',
      FIRECRAWL_RETRY_INITIAL_DELAY: '2000',
      FIRECRAWL_RETRY_BACKOFF_FACTOR: '3',
      FIRECRAWL_CREDIT_WARNING_THRESHOLD: '2000',
    },
  },
  {
    server: 'couchbase',
    credentials: ['CB_PASSWORD'],
    settings: { CB_USERNAME: 'reader', CB_BUCKET_NAME: 'travel-sample', CB_MCP_READ_ONLY_QUERY_MODE: 'true' },
  },
  {
    server: 'clickhouse',
    credentials: ['CLICKHOUSE_PASSWORD'],
    settings: {
      CLICKHOUSE_HOST: 'sql.acme.example',
      CLICKHOUSE_PORT: '8443',
      CLICKHOUSE_USER: 'reader',
      CLICKHOUSE_SECURE: 'true',
      CLICKHOUSE_VERIFY: 'true',
      CLICKHOUSE_CONNECT_TIMEOUT: '30',
    },
  },
  {
    server: 'dynatrace',
    credentials: ['OAUTH_CLIENT_SECRET'],
    settings: { OAUTH_CLIENT_ID: 'dt0s02.ACME1234', DT_ENVIRONMENT: 'https://abc12345.apps.dynatrace.com' },
  },
  {
    server: 'okta',
    credentials: ['OKTA_API_TOKEN'],
    settings: { OKTA_CLIENT_ORGURL: 'https://dev-987654.okta.com', LOG_LEVEL: 'INFO', OKTA_CONCURRENT_LIMIT: '15' },
  },
  {
    server: 'sonarqube',
    credentials: ['SONARQUBE_TOKEN'],
    settings: { SONARQUBE_URL: 'https://sonar.acme.example', SONARQUBE_ORG: 'acme' },
  },
  { server: 'brave', credentials: ['BRAVE_API_KEY'], settings: { BRAVE_MCP_TRANSPORT: 'stdio' } },
  { server: 'heroku', credentials: ['HEROKU_API_KEY'], settings: {} },
  { server: 'github', credentials: ['GITHUB_PERSONAL_ACCESS_TOKEN'], settings: { GITHUB_READ_ONLY: '1' } },
  {
    server: 'cockroachdb',
    credentials: ['CRDB_PWD'],
    settings: {
      CRDB_DATABASE: 'defaultdb',
      CRDB_SSL_MODE: 'disable',
      CRDB_SSL_CA_PATH: '/certs/ca.crt',
      CRDB_SSL_KEYFILE: '/certs/client.root.key',
    },
  },
  {
    server: 'aks',
    credentials: [],
    settings: {},
    texts: ['--access-level=readonly', '--allow-namespaces=team-a,team-b', '--additional-tools=helm,cilium'],
  },
  {
    server: 'alpaca',
    credentials: ['ALPACA_API_KEY', 'ALPACA_SECRET_KEY'],
    settings: { ALPACA_PAPER_TRADE: 'true' },
  },
  { server: 'airtable', credentials: ['AIRTABLE_API_KEY'], settings: { NODE_ENV: 'production' } },
  { server: 'alfresco', credentials: [], settings: { ALFRESCO_HOST: 'http://docs.internal:8080' } },
  {
    server: 'roam',
    credentials: ['ROAM_API_TOKEN'],
    settings: { ROAM_GRAPH_NAME: 'team-notes', MEMORIES_TAG: '#[[LLM/Memories]]' },
    texts: ['build/index.js'],
  },
  {
    server: 'browserbase',
    credentials: ['BROWSERBASE_API_KEY'],
    settings: { BROWSERBASE_PROJECT_ID: '7d1f3a52-0c9e-4b57-8f60-2a9be4c1d033' },
  },
  {
    server: 'tradovate',
    credentials: ['TRADOVATE_PASSWORD', 'TRADOVATE_SEC'],
    settings: { TRADOVATE_USERNAME: 'ann', TRADOVATE_APP_ID: 'acme-app', TRADOVATE_CID: '4711', PORT: '8080' },
  },
  {
    server: 'n8n',
    credentials: ['N8N_API_KEY'],
    settings: { N8N_API_URL: 'https://n8n.acme.example', MCP_MODE: 'stdio', DISABLE_CONSOLE_OUTPUT: 'true' },
  },
  {
    server: 'rundeck',
    credentials: ['RUNDECK_API_TOKEN', 'X_GATEWAY_APIKEY'],
    settings: { RUNDECK_URL: 'http://jobs.internal:4440', RUNDECK_SSL_VERIFY: 'true', RUNDECK_API_VERSION: '44' },
    texts: ['--enable-write-tools'],
  },
  {
    server: 'vault',
    credentials: ['ONECLAW_AGENT_API_KEY'],
    settings: {
      ONECLAW_AGENT_ID: '1b0e8a44-5c2d-4f7e-9a31-c0ffee123456',
      ONECLAW_VAULT_ID: '2c1f9b55-6d3e-4a8f-8b42-deadbeef9876',
      ONECLAW_BASE_URL: 'https://api.acme.example',
      ONECLAW_LOCAL_ONLY: 'true',
    },
  },
  {
    server: 'wallet',
    credentials: ['ONELY_WALLET_SOLANA_KEY', 'ONELY_WALLET_EVM_KEY', 'ONELY_API_KEY'],
    settings: {
      ONELY_WALLET_PROVIDER: 'raw',
      ONELY_NETWORK: 'base',
      ONELY_SOLANA_RPC_URL: 'https://rpc.acme.example',
      ONELY_BUDGET_PER_CALL: '1.00',
      ONELY_BUDGET_DAILY: '50.00',
      ONELY_BUDGET_STATE_FILE: '/data/budget.json',
      ONELY_SOLANA_DRY_RUN: '1',
      ONELY_API_BASE: 'https://shop.acme.example',
    },
  },
  {
    server: 'payments',
    credentials: [],
    settings: {
      POP_CDP_URL: 'http://localhost:9222',
      POP_ALLOWED_CATEGORIES: '["travel","hosting"]',
      POP_MAX_PER_TX: '80.0',
      POP_GUARDRAIL_ENGINE: 'keyword',
    },
  },
  {
    server: 'captcha',
    credentials: ['API_TOKEN'],
    settings: { GROUPS: 'parsing,batch', MCP_URL: 'https://mcp.acme.example/mcp' },
  },
  {
    server: 'search-console',
    credentials: [],
    settings: { GOOGLE_APPLICATION_CREDENTIALS: '/run/secrets/service-account.json' },
  },
  {
    server: 'make',
    credentials: ['MAKE_API_KEY'],
    settings: { MAKE_ZONE: 'eu2.make.com', MAKE_TEAM: '4711' },
    texts: ['-y', 'github:acme/make-mcp-server#main'],
  },
  {
    server: 'postgres',
    credentials: ['DATABASE_URL', 'PGCONNECTIONSTRING', 'POSTGRES_PASSWORD'],
    settings: { POSTGRES_HOST: 'db.internal', POSTGRES_DATABASE: 'shop', POSTGRES_USER: 'reader' },
    texts: ['@modelcontextprotocol/server-postgres', 'postgresql://localhost:5432/shop', '--access-mode=restricted'],
  },
  {
    server: 'filesystem',
    credentials: [],
    settings: { SDC_MAX_CONTEXT_TOKENS: '2000', SDC_DB_PATH: '/srv/shop/shop.db' },
    texts: [
      '@modelcontextprotocol/server-filesystem',
      '/srv/Projects/Reports2026/UserFiles/Archive01',
      'C:\\Users\\Ann\\Documents\\Notes',
    ],
  },
  {
    server: 'komodo',
    credentials: ['KOMODO_API_KEY', 'KOMODO_API_SECRET'],
    settings: { KOMODO_URL: 'https://komodo.internal:9120', RUST_LOG: 'info' },
  },
  {
    server: 'behind-a-proxy',
    credentials: ['HTTP_API_KEY'],
    settings: { DISABLE_AUTH: 'false', MCP_CONFIG_FILE: 'mcp_servers.json', MCP_SERVER_NAME: 'search' },
    texts: [
      'Host(`mcp.acme.example`)',
      'web,websecure',
      'traefik.http.middlewares.mcp.headers.SSLRedirect',
      'https://github.com/acme/mcp-servers/tree/main/src/Search2026',
      'ghcr.io/acme/search-mcp@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    ],
  },
  {
    server: 'java',
    credentials: [],
    settings: { DB_MCP_CONFIG: '/etc/db-mcp/config.yaml' },
    texts: ['-cp', '/opt/mcp/db-mcp-1.4.0-fat.jar:/opt/mcp/lib/*', 'com.acme.dbmcp.DatabaseMcpServerMain'],
  },
  { server: 'sqlite', credentials: [], settings: {}, texts: ['--directory', '/srv/sqlite', '--db-path', '~/shop.db'] },
  { server: 'unreal', credentials: [], settings: { UE5_PORT: '9377' } },
];
