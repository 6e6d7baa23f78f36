-- read_trends --
select item_id, events, weight_sum, (extract(epoch from first_ts) * 1000000)::bigint,
    (extract(epoch from last_ts) * 1000000)::bigint, heat_15m, heat_1h, heat_2h24m, heat_1d, heat_7d,
    heat_never, heat_1k, heat_10k, heat_few, heat_some, heat_many
from item_trend where item_id = any(%(items)s);

-- write_trends --
insert into item_trend (item_id, slot, events, weight_sum, first_ts, last_ts, heat_15m, heat_1h, heat_2h24m,
    heat_1d, heat_7d, heat_never, heat_1k, heat_10k, heat_few, heat_some, heat_many, changed_xid)
select item_id, slot, events, weight_sum, 'epoch'::timestamptz + first_us * interval '1 microsecond', 'epoch'::timestamptz + last_us * interval '1 microsecond', heat_15m,
    heat_1h, heat_2h24m, heat_1d, heat_7d, heat_never, heat_1k, heat_10k, heat_few, heat_some, heat_many,
    pg_current_xact_id()
from unnest(%(items)s::text[], %(slots)s::smallint[], %(events)s::bigint[], %(weight_sum)s::float8[],
    %(first_us)s::bigint[], %(last_us)s::bigint[], %(heat_15m)s::float8[], %(heat_1h)s::float8[],
    %(heat_2h24m)s::float8[], %(heat_1d)s::float8[], %(heat_7d)s::float8[], %(heat_never)s::float8[],
    %(heat_1k)s::float8[], %(heat_10k)s::float8[], %(heat_few)s::float8[], %(heat_some)s::float8[],
    %(heat_many)s::float8[])
    as added (item_id, slot, events, weight_sum, first_us, last_us, heat_15m, heat_1h, heat_2h24m, heat_1d,
        heat_7d, heat_never, heat_1k, heat_10k, heat_few, heat_some, heat_many)
on conflict (item_id) do update set events = excluded.events, weight_sum = excluded.weight_sum,
    first_ts = excluded.first_ts, last_ts = excluded.last_ts,
    heat_15m = excluded.heat_15m, heat_1h = excluded.heat_1h, heat_2h24m = excluded.heat_2h24m,
    heat_1d = excluded.heat_1d, heat_7d = excluded.heat_7d, heat_never = excluded.heat_never,
    heat_1k = excluded.heat_1k, heat_10k = excluded.heat_10k, heat_few = excluded.heat_few,
    heat_some = excluded.heat_some, heat_many = excluded.heat_many, changed_xid = excluded.changed_xid;
