#!/bin/sh
# Alembic changes tables that views read: `sh migrate.sh public.products`
set -e
npx viewkeeper set-aside --reading "$@"
migrated=0
alembic upgrade head || migrated=$?
npx viewkeeper put-back
exit "$migrated"
