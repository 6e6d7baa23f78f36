-- vector_oid --
-- pgvector's type has another oid in every database.
select 'vector'::regtype::oid::integer;

-- read_states --
-- The states of these users, vectors in pgvector's binary form.
select user_id, long, short, mass_long, mass_short, (extract(epoch from as_of) * 1000000)::bigint,
    version, events, event_hash, recent, generation, alias_of
from user_preference where user_id = any(%(users)s);

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
-- Staged rows that were not written: by now this transaction holds their locks.
select user_id from user_preference where user_id = any(%(users)s) and xmin <> pg_current_xact_id()::xid;

-- adjust_counts --
-- Events of refused users that turned out to be duplicates on the newer state.
update stream_position set applied = applied - %(moved)s, duplicates = duplicates + %(moved)s,
    clamped = clamped - %(clamped)s
where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s;

-- item_contents --
-- The newest version of these items.
select distinct on (item_id) item_id, version, content from item_version
where item_id = any(%(items)s) order by item_id, version desc;

-- snapshot_horizon --
-- Every transaction below it is decided; later changes carry this id or a newer one.
select pg_snapshot_xmin(pg_current_snapshot())::text;

-- changed_items --
-- Items that got a version in or after the transaction `since`.
select distinct item_id from item_version where created_xid >= %(since)s::text::xid8;

-- pending_items --
-- Items by now known, of which events still wait in these partitions.
select distinct item_id from pending
where partition %% %(shares)s = any(%(mine)s)
  and exists (select from item_version where item_version.item_id = pending.item_id);

-- take_pending --
-- Claim waiting events of known items; whoever deletes the row adds the term.
delete from pending using (
    select log_id, partition, "offset" from pending
    where item_id = any(%(items)s) and partition %% %(shares)s = any(%(mine)s)
    order by log_id, partition, "offset" limit %(limit)s for update
) claimed
where pending.log_id = claimed.log_id and pending.partition = claimed.partition
  and pending."offset" = claimed."offset"
returning pending.log_id, pending.partition, pending."offset", pending.recorded_at,
    pending.user_id, pending.item_id, (extract(epoch from pending.ts) * 1000000)::bigint, pending.weight;

-- resolve_interactions --
-- Note in the log which item version the waiting events were added with.
update interaction set item_version = resolved.item_version
from unnest(%(logs)s::int[], %(partitions)s::int[], %(offsets)s::bigint[], %(recorded)s::timestamptz[],
            %(versions)s::int[])
    as resolved (log_id, partition, "offset", recorded_at, item_version)
where interaction.log_id = resolved.log_id and interaction.partition = resolved.partition
  and interaction."offset" = resolved."offset" and interaction.recorded_at = resolved.recorded_at;

-- copy_stage --
copy stage from stdin (format binary);

-- copy_interactions --
copy interaction (log_id, partition, "offset", recorded_at, event_id, user_id, item_id, action, ts, weight,
    item_version, excludes, item_slot, session_id, request_id, position) from stdin (format binary);

-- copy_pending --
copy pending (log_id, partition, "offset", recorded_at, user_id, item_id, ts, weight) from stdin;

-- dead_letter_history --
-- Dead letters of a stream in all, and from an offset on.
select dead_lettered, start_offset, (
    select count(*) from dead_letter
    where log_id = %(log_id)s and partition = %(partition)s and "offset" >= %(since)s)
from stream_position where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s;

-- letters_retried --
-- Of those dead letters that exist, whether they were brought back before.
select log_id, partition, "offset", retried_at is not null from dead_letter join unnest(
    %(logs)s::int[], %(partitions)s::int[], %(offsets)s::bigint[]) as asked (log_id, partition, "offset")
    using (log_id, partition, "offset");

-- mark_retried --
update dead_letter set retried_at = clock_timestamp() from unnest(
    %(logs)s::int[], %(partitions)s::int[], %(offsets)s::bigint[]) as asked (log_id, partition, "offset")
where dead_letter.log_id = asked.log_id and dead_letter.partition = asked.partition
  and dead_letter."offset" = asked."offset" and retried_at is null;

-- copy_dead_letters --
copy dead_letter (log_id, partition, "offset", flow, field, reason, key, payload, recorded_at) from stdin;
