-- Learned rankers, of two kinds: linear and trees. At most one of each kind serves.
create table model (
    version    bigint generated always as identity primary key,
    kind       text not null,
    active     boolean not null,
    features   text[] not null,                 -- in the order in which it reads them
    lists      bigint not null,                 -- that it has learned from
    sha256     bytea not null,                  -- of content
    content    bytea not null,
    metrics    jsonb,                           -- on targets that it had not learned from
    positions  jsonb,                           -- "log/partition" -> next offset to learn from
    created_at timestamptz not null default now()
);
create unique index model_active on model (kind) where active;
