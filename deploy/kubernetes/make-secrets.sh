#!/bin/sh
# Makes the tokens and the key that kustomization.yaml hands to looms, each once.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 0700 secrets
for name in client_token metrics_token record_key; do
  test -e "secrets/$name" || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
done
