-- log_spans --
-- How far the committed log rows of each partition reach. Rows below next_offset are complete.
select log_id, partition, start_offset, next_offset from stream_position
where flow = 'interactions' order by log_id, partition;

-- slot_positions --
select flow, log_id, partition, next_offset from stream_position where flow = any(%(flows)s);

-- log_rows --
-- One partition's interval of the log in its order, each event under the name that it came under.
select "offset", item_slot, coalesce(visitor, user_id), item_id,
    (extract(epoch from ts) * 1000000)::bigint, weight::float8
from interaction
where log_id = %(log_id)s and partition = %(partition)s and "offset" >= %(low)s and "offset" < %(high)s
order by "offset";

-- histories --
-- The newest events with positive weight of users before an offset, and of older logs, newest first; none that
-- was recorded before the horizon.
select name, item_id, (extract(epoch from ts) * 1000000)::bigint, weight
from unnest(%(users)s::text[]) as asked (name) cross join lateral (
    select item_id, ts, weight, log_id, partition, "offset" from (
        (select item_id, ts, weight, log_id, partition, "offset" from interaction
         where user_id = name and visitor is null and weight > 0
           and recorded_at >= coalesce((select history_from from log_horizon), '-infinity')
           and (log_id < %(log_id)s
                or log_id = %(log_id)s and partition = %(partition)s and "offset" < %(before)s))
        union all
        (select item_id, ts, weight, log_id, partition, "offset" from interaction
         where visitor = name and weight > 0
           and recorded_at >= coalesce((select history_from from log_horizon), '-infinity')
           and (log_id < %(log_id)s
                or log_id = %(log_id)s and partition = %(partition)s and "offset" < %(before)s))
    ) own
    order by log_id desc, "offset" desc, partition desc limit %(limit)s
) newest
order by name, log_id desc, "offset" desc, partition desc;
