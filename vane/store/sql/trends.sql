-- log_spans --
-- How far the committed log rows of each partition reach. Rows below next_offset are complete.
select log_id, partition, start_offset, next_offset from stream_position
where flow = 'interactions' order by log_id, partition;

-- slot_positions --
select flow, log_id, partition, next_offset from stream_position where flow = any(%(flows)s);

-- log_rows --
-- One partition's interval of the log, of these item slots.
select "offset", item_slot, item_id, (extract(epoch from ts) * 1000000)::bigint, weight::float8
from interaction
where log_id = %(log_id)s and partition = %(partition)s
  and "offset" >= %(low)s and "offset" < %(high)s and item_slot = any(%(slots)s);

-- read_trends --
select item_id, events, heat_15m, heat_1h, heat_2h24m, heat_1d, heat_7d, heat_never, heat_1k, heat_10k
from item_trend where item_id = any(%(items)s);

-- write_trends --
insert into item_trend (item_id, slot, events, heat_15m, heat_1h, heat_2h24m, heat_1d, heat_7d, heat_never,
    heat_1k, heat_10k)
select * from unnest(%(items)s::text[], %(slots)s::smallint[], %(events)s::bigint[], %(heat_15m)s::float8[],
    %(heat_1h)s::float8[], %(heat_2h24m)s::float8[], %(heat_1d)s::float8[], %(heat_7d)s::float8[],
    %(heat_never)s::float8[], %(heat_1k)s::float8[], %(heat_10k)s::float8[])
on conflict (item_id) do update set events = excluded.events,
    heat_15m = excluded.heat_15m, heat_1h = excluded.heat_1h, heat_2h24m = excluded.heat_2h24m,
    heat_1d = excluded.heat_1d, heat_7d = excluded.heat_7d, heat_never = excluded.heat_never,
    heat_1k = excluded.heat_1k, heat_10k = excluded.heat_10k;
