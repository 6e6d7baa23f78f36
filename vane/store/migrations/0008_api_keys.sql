-- Keys of the HTTP API; what a client sends is hashed here, so that nobody reads a key out of a backup.
create table api_key (
    id           bigint generated always as identity primary key,
    name         text not null,
    scopes       text[] not null check (scopes <@ array['read', 'ingest', 'admin'] and scopes <> '{}'),
    sha256       bytea not null unique,         -- of 256 random bits, so that no salt is needed
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,                   -- to about a minute
    replaces     bigint references api_key      -- made by its rotation
);
