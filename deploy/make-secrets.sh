#!/bin/sh
# Makes what compose.yaml hands to its services, each once. Only the owner enters the folder; Compose mounts the files as
# they are, so the users of the services have to be able to read them.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 0700 secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in postgres_password reader_password client_token metrics_token; do
  test -e "secrets/$name" || random >"secrets/$name"
done
test -e secrets/postgres_uri ||
  printf 'postgresql://reader:%s@db:5432/postgres' "$(cat secrets/reader_password)" >secrets/postgres_uri
chmod 0444 secrets/*
