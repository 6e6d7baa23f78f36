-- vector_oid --
-- pgvector's type has another oid in every database.
select 'vector'::regtype::oid::integer;

-- read_states --
-- The states of these users in one row, as buffers: a row a user would cost more than what is in it.
select array_agg(user_id), string_agg(vector_send(long), ''), string_agg(vector_send(short), ''),
    string_agg(recent, ''),
    string_agg(float8send(mass_long) || float8send(mass_short) || timestamptz_send(as_of)
        || int8send(version) || int8send(events) || int8send(event_hash) || int4send(generation), ''),
    array_agg(alias_of), max(coalesce(erasure, 0))
from user_preference where user_id = any(%(users)b::text[]);

-- upsert_states --
-- A row is written only over the version that its new state was computed from.
-- The rows come in key order, so that two workers never deadlock. Unnested in the select list they
-- stay in the parameters' memory; in the from clause they would be copied to a tuple store.
insert into user_preference as old (user_id, long, short, mass_long, mass_short, as_of, version, events,
    event_hash, recent, generation)
select unnest(%(users)b::text[]), unnest(%(long)b::vector[]), unnest(%(short)b::vector[]),
    unnest(%(mass_long)b::float8[]), unnest(%(mass_short)b::float8[]), unnest(%(as_of)b::timestamptz[]),
    unnest(%(version)b::bigint[]), unnest(%(events)b::bigint[]), unnest(%(event_hash)b::bigint[]),
    unnest(%(recent)b::bytea[]), %(generation)s::integer
on conflict (user_id) do update set
    long = excluded.long, short = excluded.short,
    mass_long = excluded.mass_long, mass_short = excluded.mass_short,
    as_of = excluded.as_of, version = excluded.version, events = excluded.events,
    event_hash = excluded.event_hash, recent = excluded.recent, generation = excluded.generation
where old.version = excluded.version - 1;

-- refused_users --
-- Rows that were not written: by now this transaction holds their locks.
select user_id from user_preference where user_id = any(%(users)s) and xmin <> pg_current_xact_id()::xid;
