#!/bin/sh
# Done once by the image of Postgres, when it makes its database: the role of the MCP server, which reads and does nothing
# else, whatever the server is asked for.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'SQL'
\set password `cat /run/secrets/reader_password`
CREATE ROLE reader LOGIN PASSWORD :'password';
GRANT pg_read_all_data TO reader;
ALTER ROLE reader SET default_transaction_read_only = on;
SQL
