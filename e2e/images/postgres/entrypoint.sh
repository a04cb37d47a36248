#!/bin/sh
# A new data folder gets its first role and runs the setup once, on a socket only; then the server starts.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --auth-local=trust --auth-host=scram-sha-256 --no-locale --encoding=UTF8 --no-sync
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --options="-c listen_addresses=''" start
  for setup in /docker-entrypoint-initdb.d/*.sql; do
    psql --no-psqlrc --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres --file="$setup"
  done
  pg_ctl --wait --mode=fast stop
fi

exec postgres "$@"
