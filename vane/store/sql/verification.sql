-- begin_snapshot --
-- One view of everything; large sorts are allowed to take their time.
set transaction isolation level repeatable read, read only;

-- lift_limits --
-- No limit on long statements, and plans for reading a cursor to its end.
select set_config('statement_timeout', '0', true), set_config('cursor_tuple_fraction', '1', true);

-- positions --
select flow, log_id, partition, start_offset, next_offset, applied, dead_lettered, duplicates, erased, empty,
    skipped
from stream_position order by flow, log_id, partition;

-- logged_counts --
-- Rows of the log by partition.
select 'interactions', log_id, partition, count(*), count(distinct "offset"), min("offset"), max("offset")
from interaction group by log_id, partition order by log_id, partition;

-- dead_letter_counts --
select flow, log_id, partition, count(*), count(distinct "offset"), min("offset"), max("offset")
from dead_letter group by flow, log_id, partition order by flow, log_id, partition;

-- counted_rows --
-- Log rows below the positions of their slot, so those that item_trend, item_neighbour hold beyond their bases.
select flow, log_id, partition, count(*)
from interaction join stream_position using (log_id, partition)
where flow in ('trends/' || lpad(item_slot::text, 2, '0'), 'neighbours/' || lpad(item_slot::text, 2, '0'))
  and "offset" < next_offset and "offset" >= start_offset
group by flow, log_id, partition;

-- retired_rows --
-- Log rows that are in users' bases, by partition.
select log_id, partition, rows from retired;

-- user_bases --
-- What older months of the log left of these users; times in microseconds.
select user_id, long, short, mass_long, mass_short, (extract(epoch from as_of) * 1000000)::bigint,
    (extract(epoch from oldest) * 1000000)::bigint, events, event_hash, size_long, size_short, mass_size_long,
    mass_size_short, terms, folds
from user_base where user_id = any(%(users)s);

-- twice_used --
-- Offsets that are both in the log and a dead letter.
select log_id, partition, "offset" from interaction join dead_letter using (log_id, partition, "offset")
where flow = 'interactions' order by 1, 2, 3 limit %(limit)s;

-- pending_differences --
-- Waiting events without their log row as it should be, and the other way round.
with waiting as (
    select log_id, partition, "offset", user_id, item_id, ts, weight from interaction
    where item_version is null and (%(user)s::text is null or user_id = %(user)s)
), kept as (
    select log_id, partition, "offset", user_id, item_id, ts, weight from pending
    where %(user)s::text is null or user_id = %(user)s
)
select *, count(*) over () from (
    (select 'has no row in pending', * from waiting except select 'has no row in pending', * from kept)
    union all
    (select 'is pending, but the log says otherwise', * from kept
     except select 'is pending, but the log says otherwise', * from waiting)
) differences order by log_id, partition, "offset" limit %(limit)s;

-- user_events --
-- The whole log by user, or of the users with an event since a time, the newest event of each first. A row
-- without event stands for the user's base.
select user_id, event_id, (extract(epoch from ts) * 1000000)::bigint, weight::float8, item_id, item_version
from (
    select user_id, event_id, ts, weight, item_id, item_version from interaction
    union all
    select user_id, null, as_of, null, null, null from user_base
) known where (%(user)s::text is null or user_id = %(user)s)
  and (%(since)s::timestamptz is null or user_id in (
    select user_id from user_preference where as_of >= %(since)s
    union select user_id from interaction where ts >= %(since)s))
order by user_id, ts desc;

-- contents --
select item_id, version, content from item_version
where (item_id, version) in (select * from unnest(%(items)s::text[], %(versions)s::int[]));

-- users --
select user_id, long, short, mass_long, mass_short, (extract(epoch from as_of) * 1000000)::bigint, version,
    events, event_hash
from user_preference where user_id = any(%(users)s);

-- users_without_events --
select user_id, count(*) over () from user_preference
where (%(user)s::text is null or user_id = %(user)s)
  and (events, event_hash, mass_long, mass_short, vector_norm(long), vector_norm(short))
    <> (0, 0, 0, 0, 0, 0)
  and not exists (select from interaction where interaction.user_id = user_preference.user_id)
  and not exists (select from user_base where user_base.user_id = user_preference.user_id)
order by user_id limit %(limit)s;

-- half_merged --
-- Merged users of whom the log still knows events, or whose account has no row or is merged itself.
select user_id, count(*) over () from user_preference as visitor
where alias_of is not null and (%(user)s::text is null or user_id = %(user)s)
  and (exists (select from interaction where interaction.user_id = visitor.user_id)
    or exists (select from user_base where user_base.user_id = visitor.user_id)
    or not exists (select from user_preference as account
                   where account.user_id = visitor.alias_of and account.alias_of is null))
order by user_id limit %(limit)s;

-- acts --
-- All events with positive weight by the name that they came under, in the order of histories, which reach
-- back to the horizon.
select coalesce(visitor, user_id), log_id, partition, "offset", item_id,
    (extract(epoch from ts) * 1000000)::bigint, weight::float8
from interaction where weight > 0
    and recorded_at >= coalesce((select history_from from log_horizon), '-infinity')
order by 1, log_id, "offset", partition;

-- item_events --
-- The log since the base of the trends, as far as flows/trends has read it, by item, the newest event of each
-- first.
select item_id, log_id, partition, "offset", (extract(epoch from ts) * 1000000)::bigint, weight::float8
from interaction join stream_position using (log_id, partition)
where flow = 'trends/' || lpad(item_slot::text, 2, '0') and "offset" < next_offset and "offset" >= start_offset
order by item_id, ts desc;

-- trends --
-- Of item_trend, or of its base.
select item_id, slot, events, weight_sum, (extract(epoch from first_ts) * 1000000)::bigint,
    (extract(epoch from last_ts) * 1000000)::bigint, heat_15m, heat_1h, heat_2h24m, heat_1d, heat_7d,
    heat_never, heat_few, heat_some, heat_many
from {table} where item_id = any(%(items)s);

-- neighbours --
-- Of item_neighbour, or of its base.
select item_id, slot, (extract(epoch from as_of) * 1000000)::bigint, mass, lost, neighbours, weights
from {table} where item_id = any(%(items)s);

-- base_items --
-- Items whose trends began with what months that are gone had added.
select item_id from trend_base union select item_id from neighbour_base order by 1;

-- neighbours_without_events --
select item_id, count(*) over () from item_neighbour where not exists (
    select from neighbour_base where neighbour_base.item_id = item_neighbour.item_id)
  and not exists (
    select from interaction join stream_position using (log_id, partition)
    where interaction.item_id = item_neighbour.item_id and weight > 0
      and flow = 'neighbours/' || lpad(item_slot::text, 2, '0') and "offset" < next_offset)
  and slot <> all(%(besides)s::int[])
order by item_id limit %(limit)s;

-- trends_without_events --
select item_id, count(*) over () from item_trend where not exists (
    select from trend_base where trend_base.item_id = item_trend.item_id)
  and not exists (
    select from interaction join stream_position using (log_id, partition)
    where interaction.item_id = item_trend.item_id
      and flow = 'trends/' || lpad(item_slot::text, 2, '0') and "offset" < next_offset)
  and slot <> all(%(besides)s::int[])
order by item_id limit %(limit)s;

-- erased_rows --
-- Log rows that trends and neighbours had counted when they were erased.
select flow, sum(erased) from stream_position
where erased > 0 and (starts_with(flow, 'trends/') or starts_with(flow, 'neighbours/')) group by flow;

-- events_of_orphans --
-- Events of the trends of which neither the log, as far as it was read, nor the base knows anything, by slot.
select slot, sum(events - coalesce((select events from trend_base where trend_base.item_id = item_trend.item_id), 0))
from item_trend where not exists (
    select from interaction join stream_position using (log_id, partition)
    where interaction.item_id = item_trend.item_id and flow = 'trends/' || lpad(item_slot::text, 2, '0')
      and "offset" < next_offset and "offset" >= start_offset)
group by slot;
