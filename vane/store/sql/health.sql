-- streams --
-- Every partition of the newest log of each topic, by the flow that reads it.
select p.flow, log.topic, p.partition, p.next_offset, p.end_offset, p.epoch, p.fenced
from stream_position p join log using (log_id)
where p.log_id in (select max(log_id) from log group by topic)
  and p.flow in ('interactions', 'catalog', 'commands')
order by p.flow, p.partition;

-- outcomes --
-- What became of all messages ever, by flow.
select flow, sum(applied)::bigint, sum(dead_lettered)::bigint, sum(duplicates)::bigint,
       sum(erased)::bigint, sum(empty)::bigint, sum(skipped)::bigint, sum(clamped)::bigint
from stream_position where flow in ('interactions', 'catalog', 'commands') group by flow;

-- contents --
-- Pending events, items and users. Old events may come late: they wait since they were recorded.
select (select count(*) from pending) as pending,
       (select coalesce(extract(epoch from now() - min(recorded_at)), 0)::float8
        from pending) as oldest_s,
       (select count(*) from item where available and content is not null) as available,
       (select count(*) from item where not available) as unavailable,
       (select count(*) from item where available and content is null) as without_text,
       (select greatest(reltuples, 0)::bigint from pg_class
        where oid = 'user_preference'::regclass) as users;

-- readers --
-- How far trends and neighbours have stored the committed log, by partition: the slowest slot of each.
select split_part(r.flow, '/', 1), p.partition, min(r.next_offset), p.next_offset
from stream_position p join stream_position r using (log_id, partition)
where p.flow = 'interactions' and (starts_with(r.flow, 'trends/') or starts_with(r.flow, 'neighbours/'))
  and p.log_id = (select max(log_id) from stream_position where flow = 'interactions')
group by 1, 2, 4 order by 1, 2;

-- tastes --
-- Of a sample of whole pages: mean of 1 - cosine of short and long vector, mean lengths and directions.
select coalesce(avg(long <=> short), 0)::float8, coalesce(avg(vector_norm(long)), 0)::float8,
       coalesce(avg(vector_norm(short)), 0)::float8,
       avg(l2_normalize(long))::text, avg(l2_normalize(short))::text
from user_preference tablesample system (%(percent)s)
where vector_norm(long) > 0 and vector_norm(short) > 0;

-- item_direction --
-- The mean content of a sample of items, always the same pages; nothing without text.
select avg(content)::text from item tablesample system (%(percent)s) repeatable (0) where content is not null;

-- session_setting --
-- For this transaction.
select set_config(%(option)s, %(value)s, true);

-- probe --
-- One search for what is nearest to a vector, told how it was done.
explain (analyze, buffers, timing off, format json)
select item_id from item where available and content is not null
order by content <#> %(query)s::halfvec(384) limit %(wanted)s;

-- probe_query --
-- The content of a random item.
select content::text from item tablesample system (%(percent)s) where content is not null
order by random() limit 1;

-- models --
-- How long each part of the ranking has been serving.
select kind, extract(epoch from now() - created_at)::float8 from model where active;

-- sample_users --
-- Some users, of pages chosen at random.
select user_id from user_preference tablesample system (%(percent)s) order by random() limit %(users)s;

-- tables --
-- Partitions count for the table that they are parts of.
select coalesce(pg_partition_root(relid), relid)::regclass::text as name,
       sum(n_live_tup)::bigint as live, sum(n_dead_tup)::bigint as dead,
       sum(pg_total_relation_size(relid))::bigint as bytes,
       min(extract(epoch from now() - greatest(last_vacuum, last_autovacuum)))::float8 as vacuum_s,
       sum(n_tup_hot_upd)::bigint as hot, sum(n_tup_upd - n_tup_hot_upd)::bigint as indexed
from pg_stat_user_tables where schemaname = current_schema()
group by 1;

-- hnsw --
select idx_scan, idx_tup_read, pg_relation_size(indexrelid)
from pg_stat_user_indexes where indexrelname = 'item_content' and schemaname = current_schema();

-- database --
select xact_commit, xact_rollback, blks_hit, blks_read, deadlocks,
       pg_database_size(datid) as bytes,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint as wal_bytes,
       (select max(age(datfrozenxid)) / 2147483648.0 from pg_database)::float8 as wraparound,
       current_setting('max_connections')::int as connections_max
from pg_stat_database where datname = current_database();

-- sessions --
select count(*) filter (where state = 'active') as active,
       count(*) filter (where state = 'idle') as idle,
       count(*) filter (where state like 'idle in transaction%%') as idle_in_transaction,
       count(*) filter (where wait_event_type = 'Lock') as waiting,
       coalesce(extract(epoch from now() - min(xact_start)), 0)::float8 as longest_s
from pg_stat_activity where datname = current_database();
