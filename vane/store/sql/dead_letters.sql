-- list_letters --
select flow, topic, log_id, partition, "offset", field, reason, recorded_at, retried_at
from dead_letter join log using (log_id)
where (%(flow)s::text is null or flow = %(flow)s)
  and (%(reason)s::text is null or field || ': ' || reason ilike '%%' || %(reason)s || '%%')
  and (%(retried)s or retried_at is null)
order by recorded_at desc, log_id desc, partition, "offset" desc limit %(limit)s;

-- show_letter --
select flow, topic, log_id, partition, "offset", field, reason, recorded_at, retried_at, key, payload
from dead_letter join log using (log_id)
where log_id = %(log_id)s and partition = %(partition)s and "offset" = %(offset)s;

-- retryable --
-- Letters of flows/interactions that were not brought back yet, oldest first.
select log_id, partition, "offset", key, payload from dead_letter
where flow = 'interactions' and retried_at is null and payload is not null
  and (%(reason)s::text is null or field || ': ' || reason ilike '%%' || %(reason)s || '%%')
  and (log_id, partition, "offset") > (%(log_id)s, %(partition)s, %(offset)s)
order by log_id, partition, "offset" limit %(limit)s;

-- purge_letters --
-- Forget what was in old letters; that they were, where and why stays, as the counts refer to it.
update dead_letter set key = null, payload = null
where recorded_at < %(before)s and (payload is not null or key is not null);
