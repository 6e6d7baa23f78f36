-- adjust_counts --
-- Events of refused users that turned out to be duplicates on the newer state.
update stream_position set applied = applied - %(moved)s, duplicates = duplicates + %(moved)s,
    clamped = clamped - %(clamped)s
where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s;

-- item_contents --
-- The newest version of these items, as one row of columns.
select array_agg(item_id), array_agg(version), array_agg(content is not null), string_agg(halfvec_send(content), '')
from (
    select distinct on (item_id) item_id, version, content from item_version
    where item_id = any(%(items)b::text[]) order by item_id, version desc
) newest;

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
-- Note in the log which item version the waiting events were added with; a month that went left some at epoch.
update interaction set item_version = resolved.item_version
from unnest(%(logs)s::int[], %(partitions)s::int[], %(offsets)s::bigint[], %(recorded)s::timestamptz[],
            %(versions)s::int[])
    as resolved (log_id, partition, "offset", recorded_at, item_version)
where interaction.log_id = resolved.log_id and interaction.partition = resolved.partition
  and interaction."offset" = resolved."offset"
  and interaction.recorded_at = any(array[resolved.recorded_at, 'epoch']);

-- copy_interactions --
copy interaction (log_id, partition, "offset", recorded_at, ts, weight, excludes, item_slot, event_id, user_id,
    item_id, action, session_id, request_id, item_version, position) from stdin (format binary);

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
