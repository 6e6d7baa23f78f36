-- find_log --
-- The log of exactly this topic, if it was opened before.
select log_id from log where cluster_id = %(cluster_id)s and topic = %(topic)s and topic_id = %(topic_id)s;

-- other_logs --
-- How many other logs this topic name has had.
select count(*) from log where topic = %(topic)s and topic_id <> %(topic_id)s;

-- open_log --
insert into log (cluster_id, topic, topic_id) values (%(cluster_id)s, %(topic)s, %(topic_id)s)
on conflict (cluster_id, topic, topic_id) do update set topic = excluded.topic returning log_id;

-- create_position --
insert into stream_position (flow, log_id, partition, start_offset, next_offset)
values (%(flow)s, %(log_id)s, %(partition)s, %(start)s, %(start)s) on conflict do nothing;

-- take_position --
-- Become the owner: raising the epoch fences off every owner before.
update stream_position
set epoch = epoch + 1, owner = %(owner)s, updated_at = clock_timestamp()
where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s
returning next_offset, epoch;

-- position_holder --
-- The backend whose open transaction has updated the row: its id is the old row version's xmax. Not one that
-- copies the trends: it is at work, and has limits of its own.
select pg_locks.pid from stream_position join pg_locks
    on pg_locks.locktype = 'transactionid' and pg_locks.granted
    and pg_locks.transactionid = stream_position.xmax
    join pg_stat_activity using (pid)
where application_name <> 'vane retain' and flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s;

-- terminate_backend --
select pg_terminate_backend(%(pid)s);

-- advance_position --
-- The fence: no row means that another worker owns the partition or the chunk was applied already.
update stream_position
set next_offset = %(next)s, end_offset = greatest(end_offset, %(end)s, %(next)s),
    updated_at = clock_timestamp(),
    applied = applied + %(applied)s, dead_lettered = dead_lettered + %(dead_lettered)s,
    duplicates = duplicates + %(duplicates)s, erased = erased + %(erased)s,
    empty = empty + %(empty)s, clamped = clamped + %(clamped)s
where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s
  and epoch = %(epoch)s and next_offset = %(previous)s;

-- note_fenced --
update stream_position set fenced = fenced + 1
where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s;

-- read_position --
select next_offset, epoch from stream_position
where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s;

-- accept_gap --
-- An operator lets a flow go on behind offsets that are gone.
update stream_position
set next_offset = %(next)s, skipped = skipped + %(next)s - next_offset, epoch = epoch + 1
where flow = %(flow)s and log_id = %(log_id)s and partition = %(partition)s and next_offset < %(next)s;

-- unread --
-- Per topic, how far its reading flow was from the end of the newest log when it last looked.
select log.topic, sum(greatest(end_offset - next_offset, 0))::bigint
from stream_position join log using (log_id)
where flow = any (%(flows)s)
  and log_id in (select max(log_id) from log group by topic)
group by log.topic;

-- log_positions --
-- Where every flow stands in one log.
select flow, partition, next_offset from stream_position where log_id = %(log_id)s;
