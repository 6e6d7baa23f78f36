-- horizon --
-- Every transaction below it is decided; later changes carry this id or a newer one.
select pg_snapshot_xmin(pg_current_snapshot())::text;

-- trends_passed --
-- Offsets behind the trends' positions; fewer than before: they were set back, and rows may be gone.
select coalesce(sum(next_offset), 0)::bigint from stream_position
where starts_with(flow, 'trends/');

-- catalogue_changes --
-- Items that changed or went in or after the transaction `since`.
select item_id, kind, category, author, coalesce(tags, '{}'), price, coalesce(available, false),
    version is not null,
    (extract(epoch from published_at) * 1000000)::bigint,
    (extract(epoch from created_at) * 1000000)::bigint
from item_change left join item using (item_id)
where changed_xid >= %(since)s::text::xid8;

-- trend_changes --
-- Trends written in or after the transaction `since`: times, counts and heats as one piece of bytes.
select item_id,
    timestamptz_send(first_ts) || timestamptz_send(last_ts) || int8send(events) || float8send(weight_sum)
    || float8send(heat_15m) || float8send(heat_1h) || float8send(heat_2h24m) || float8send(heat_1d)
    || float8send(heat_7d) || float8send(heat_never) || float8send(heat_1k) || float8send(heat_10k)
    || float8send(heat_few) || float8send(heat_some) || float8send(heat_many)
from item_trend where changed_xid >= %(since)s::text::xid8;
