-- log_positions --
-- Every partition of the newest log of each topic, by the flow that reads it.
select p.flow, p.partition, p.next_offset, p.end_offset
from stream_position p
join (select max(log_id) as log_id from log group by topic) newest using (log_id)
where p.flow in ('interactions', 'catalog')
order by p.flow, p.partition;

-- trends_lag --
-- Applied events of all logs without those that both popularity and neighbours hold.
select coalesce(sum(applied) filter (where flow = 'interactions'), 0) - least(
    coalesce(sum(applied + checkpointed) filter (where starts_with(flow, 'trends/')), 0),
    coalesce(sum(applied + checkpointed) filter (where starts_with(flow, 'neighbours/')), 0))
from stream_position;

-- counts --
-- Users are counted while they are few; beyond that the planner's estimate is good enough.
select (select count(*) from pending), (select count(*) from dead_letter),
       (select count(*) from item),
       (select case when reltuples < %(exact_max)s then (select count(*) from user_preference)
                    else reltuples::bigint end
        from pg_class where oid = 'user_preference'::regclass),
       (select coalesce(max(version), 0) from setting);
