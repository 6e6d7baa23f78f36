-- read_trends --
-- The trends of these items in one row, as buffers.
select array_agg(item_id), string_agg(int8send(events) || float8send(weight_sum)
    || timestamptz_send(first_ts) || timestamptz_send(last_ts)
    || float8send(heat_15m) || float8send(heat_1h) || float8send(heat_2h24m) || float8send(heat_1d)
    || float8send(heat_7d) || float8send(heat_never) || float8send(heat_1k) || float8send(heat_10k)
    || float8send(heat_few) || float8send(heat_some) || float8send(heat_many), '')
from item_trend where item_id = any(%(items)b::text[]);

-- write_trends --
insert into item_trend (item_id, slot, events, weight_sum, first_ts, last_ts, heat_15m, heat_1h, heat_2h24m,
    heat_1d, heat_7d, heat_never, heat_1k, heat_10k, heat_few, heat_some, heat_many, changed_xid)
select unnest(%(items)b::text[]), unnest(%(slots)b::smallint[]), unnest(%(events)b::bigint[]),
    unnest(%(weight_sum)b::float8[]), unnest(%(first)b::timestamptz[]), unnest(%(last)b::timestamptz[]),
    unnest(%(heat_15m)b::float8[]), unnest(%(heat_1h)b::float8[]), unnest(%(heat_2h24m)b::float8[]),
    unnest(%(heat_1d)b::float8[]), unnest(%(heat_7d)b::float8[]), unnest(%(heat_never)b::float8[]),
    unnest(%(heat_1k)b::float8[]), unnest(%(heat_10k)b::float8[]), unnest(%(heat_few)b::float8[]),
    unnest(%(heat_some)b::float8[]), unnest(%(heat_many)b::float8[]),
    pg_current_xact_id()
on conflict (item_id) do update set events = excluded.events, weight_sum = excluded.weight_sum,
    first_ts = excluded.first_ts, last_ts = excluded.last_ts,
    heat_15m = excluded.heat_15m, heat_1h = excluded.heat_1h, heat_2h24m = excluded.heat_2h24m,
    heat_1d = excluded.heat_1d, heat_7d = excluded.heat_7d, heat_never = excluded.heat_never,
    heat_1k = excluded.heat_1k, heat_10k = excluded.heat_10k, heat_few = excluded.heat_few,
    heat_some = excluded.heat_some, heat_many = excluded.heat_many, changed_xid = excluded.changed_xid;
