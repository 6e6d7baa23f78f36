-- history_rows --
-- One interval of the log, as what users did; of dropped months nothing, although some of their rows are kept.
select user_id, item_id, action, (extract(epoch from ts) * 1000000)::bigint, weight::float8, excludes
from interaction
where log_id = %(log_id)s and partition = %(partition)s and "offset" >= %(low)s and "offset" < %(high)s
  and recorded_at >= coalesce((select history_from from log_horizon), '-infinity')
order by "offset";

-- item_contents --
select item_id, content from item where content is not null;
