-- server --
-- The server's clock comes last, so that the middle of the call is near it.
select current_setting('server_version_num')::int as version,
       coalesce((select extversion from pg_extension where extname = 'vector'), '') as pgvector,
       pg_is_in_recovery() as replica,
       current_setting('lock_timeout') as lock_timeout,
       extract(epoch from clock_timestamp())::float8 as now_s;

-- parameters --
-- As numbers in their units: 8kB, kB, MB, ms, s or none.
select name, setting, coalesce(unit, '') from pg_settings where name = any(%(names)s);

-- connections --
select count(*) filter (where backend_type = 'client backend') as used,
       current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int as allowed
from pg_stat_activity;

-- applications --
select distinct application_name from pg_stat_activity
where datname = current_database() and application_name <> '';

-- long_transactions --
-- Also those of other databases and prepared ones: they keep vacuum from cleaning up here.
select pid::text as name, application_name, state, extract(epoch from now() - xact_start)::float8 as age_s
from pg_stat_activity
where xact_start < now() - %(older)s::interval and pid <> pg_backend_pid()
  and backend_type = 'client backend'
union all
select gid, 'prepared transaction', 'prepared', extract(epoch from now() - prepared)::float8
from pg_prepared_xacts where prepared < now() - %(older)s::interval
order by age_s desc;

-- slots --
-- What a replication slot keeps from being deleted.
select slot_name::text, active, coalesce(wal_status, ''),
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint as kept_bytes
from pg_replication_slots;

-- invalid_indexes --
-- Those that are being built now are none of them.
select indexrelid::regclass::text from pg_index
join pg_class on pg_class.oid = indexrelid
where not (indisvalid and indisready) and relnamespace = current_schema()::regnamespace
  and relkind = 'i' and indexrelid not in (select index_relid from pg_stat_progress_create_index);

-- unused_indexes --
-- Large, never read since the statistics began, and not what keeps a row unique.
select s.indexrelid::regclass::text, pg_relation_size(s.indexrelid)
from pg_stat_user_indexes s join pg_index using (indexrelid)
where s.idx_scan = 0 and not indisunique and s.schemaname = current_schema()
  and pg_relation_size(s.indexrelid) > %(bytes)s
  and coalesce((select stats_reset from pg_stat_database where datname = current_database()),
               pg_postmaster_start_time()) < now() - interval '7 days';

-- hot_bytes --
-- The HNSW index, and what every chunk and every list reads.
select coalesce(pg_relation_size(to_regclass('item_content')), 0) as hnsw,
       coalesce((select sum(pg_total_relation_size(to_regclass(name))) from
           unnest(array['user_preference', 'item', 'item_trend', 'item_neighbour']) name), 0)::bigint as hot;

-- checkpoints --
-- How many came by the clock, and how many because the WAL was full.
select num_timed, num_requested from pg_stat_checkpointer;

-- checkpoints_before_17 --
select checkpoints_timed, checkpoints_req from pg_stat_bgwriter;

-- users_table --
-- Options of the table that is written the most.
select coalesce(reloptions, '{}') from pg_class where oid = to_regclass('user_preference');

-- log_months --
-- Rows that found no partition of their month, and the names of the partitions.
select (select count(*) from (select from interaction_default limit 1000) found) as strays,
       array(select inhrelid::regclass::text from pg_inherits
             where inhparent = 'interaction'::regclass) as months;

-- logs --
-- The newest log of each topic.
select distinct on (topic) topic, topic_id from log order by topic, log_id desc;

-- dead_letters --
-- Those of the last hour, with the most frequent reason.
select count(*), coalesce(mode() within group (order by reason), '') from (
    select reason from dead_letter where recorded_at > now() - interval '1 hour' limit 100000) recent;

-- half_lives --
-- Of a sample of users: how many there are, and how many states have other half-lives than now.
select count(*), count(*) filter (where generation <> %(generation)s)
from user_preference tablesample system (%(percent)s);

-- some_items --
-- What the text of some items is made of, and the hash that their content was made for.
select item_id, title, declared_category, tags, description, text_hash, content is not null
from item tablesample system (%(percent)s) limit %(items)s;

-- estimates --
-- Rows by the planner's estimate.
select greatest(reltuples, 0)::bigint from pg_class where oid = 'item'::regclass;

-- keys --
-- Live keys that end soon, without those that have a successor already.
select name, extract(epoch from expires_at - now())::float8 from api_key
where revoked_at is null and expires_at > now() and expires_at < now() + %(within)s::interval
  and id not in (select replaces from api_key where replaces is not null and revoked_at is null)
order by expires_at;

-- commands --
-- Those that have waited or run for too long, and those that failed in the last day.
select count(*) filter (where state in ('queued', 'running')
                        and coalesce(started_at, asked_at) < now() - interval '1 hour') as waiting,
       count(*) filter (where state = 'failed' and ended_at > now() - interval '1 day') as failed
from admin_command;

-- ranker --
-- When the linear model last was published, None where it never was.
select extract(epoch from now() - max(created_at))::float8 from model where active and kind = 'linear';
