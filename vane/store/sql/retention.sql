-- lock_retention --
-- One process at a time; for the session.
select pg_try_advisory_lock(%(key)s);

-- horizon --
select history_from, checkpoint_at from log_horizon;

-- newest_rows --
-- The newest row of each partition that was recorded in these months.
select log_id, partition, max("offset") from interaction
where recorded_at >= '1970-01-02' and recorded_at < %(before)s group by log_id, partition;

-- begin_checkpoint --
-- It copies all neighbours, which may take minutes.
select set_config('statement_timeout', '0', true);

-- lock_slots --
-- Nobody writes trends before this transaction ends; in the order in which their flow locks them.
select flow, log_id, partition, next_offset from stream_position
where starts_with(flow, 'trends/') or starts_with(flow, 'neighbours/')
order by flow, log_id, partition for update;

-- move_starts --
-- What was counted is in the base from now on; whoever holds histories in memory begins again.
update stream_position set start_offset = next_offset, epoch = epoch + 1,
    checkpointed = checkpointed + applied, applied = 0, empty = 0, erased = 0
where starts_with(flow, 'trends/') or starts_with(flow, 'neighbours/');

-- forget_trend_base --
-- Not truncated: an audit may be reading it.
delete from trend_base;

-- copy_trends --
insert into trend_base select * from item_trend;

-- forget_neighbour_base --
delete from neighbour_base;

-- copy_neighbours --
insert into neighbour_base select * from item_neighbour;

-- set_horizon --
insert into log_horizon (history_from, checkpoint_at) values (%(before)s, clock_timestamp())
on conflict (only_one) do update set history_from = excluded.history_from,
    checkpoint_at = excluded.checkpoint_at;

-- next_users --
select distinct user_id from {source} where user_id > %(after)s and recorded_at < %(before)s
order by user_id limit %(limit)s;

-- lock_pending --
-- In the order of merges and of whoever adds waiting events: these first, then users by key.
select from pending where user_id = any(%(users)s) order by log_id, partition, "offset" for update;

-- lock_users --
select from user_preference where user_id = any(%(users)s) order by user_id for update;

-- take_rows --
-- What becomes part of the users' bases.
delete from {source}
where user_id = any(%(users)s) and recorded_at < %(before)s and not excludes and item_version is not null
returning log_id, partition, user_id, event_id, (extract(epoch from ts) * 1000000)::bigint, weight::float8,
    item_id, item_version;

-- keep_rows --
-- What still says something by itself moves to interaction_kept.
update interaction set recorded_at = 'epoch'
where user_id = any(%(users)s) and recorded_at >= '1970-01-02' and recorded_at < %(before)s
  and (excludes or item_version is null);

-- note_retired --
insert into retired (log_id, partition, rows)
select * from unnest(%(logs)s::int[], %(partitions)s::int[], %(rows)s::bigint[])
on conflict (log_id, partition) do update set rows = retired.rows + excluded.rows;

-- patience --
-- Whoever comes after a statement that waits for its lock waits behind it.
select set_config('lock_timeout', %(limit)s, true);
