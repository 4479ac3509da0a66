-- The roles, the database and its extensions on a PostgreSQL server (15 or newer).
--
--   psql "$SUPERUSER_URL" -v owner_password=... -v site_password=... -f deploy/roles.sql
--
-- On a managed server its administrator does; CREATE EXTENSION needs no superuser for these.
-- The owner migrates (DATABASE_OWNER_URL), the site serves (DATABASE_URL) and can neither
-- change tables nor become the owner. What the site may do with each table is granted by
-- manage.py migrate.

\set ON_ERROR_STOP on

CREATE ROLE loyalty_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE loyalty_site LOGIN PASSWORD :'site_password';

-- A request that waits for long holds locks that others wait for. These stand on the role and
-- not in a connection's options, so that PgBouncer's transaction pooling keeps them.
ALTER ROLE loyalty_site SET statement_timeout = '30s';
ALTER ROLE loyalty_site SET lock_timeout = '5s';
ALTER ROLE loyalty_site SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE loyalty_owner SET lock_timeout = '30s';

-- Where the administrator is no superuser, it has to be a member of the owner to give it a
-- database; the membership is taken back below.
GRANT loyalty_owner TO CURRENT_USER;
CREATE DATABASE loyalty OWNER loyalty_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE loyalty FROM PUBLIC;
GRANT CONNECT ON DATABASE loyalty TO loyalty_site;

\connect loyalty

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;

REVOKE loyalty_owner FROM CURRENT_USER;
