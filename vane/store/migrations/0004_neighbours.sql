-- The name that a merged user's event came under; null: user_id. What depends on a user's earlier events
-- (caps, segments, pairs) goes by it, so that a merge changes nothing of what was counted before.
alter table interaction add column visitor text;
create index interaction_visitor on interaction (visitor) where visitor is not null;

-- What one user adds is capped now, so the trends are made anew from the log.
update stream_position set next_offset = start_offset, epoch = epoch + 1, applied = 0, empty = 0
where starts_with(flow, 'trends/');
truncate item_trend;

alter table item_trend
    add column weight_sum  double precision not null default 0,      -- of the capped weights
    add column first_ts    timestamptz not null default now(),       -- event times
    add column last_ts     timestamptz not null default now(),
    -- Popularity with half-life 1 d among users with up to 4, up to 20, more earlier events.
    add column heat_few    double precision not null default '-Infinity',
    add column heat_some   double precision not null default '-Infinity',
    add column heat_many   double precision not null default '-Infinity',
    add column changed_xid xid8 not null default pg_current_xact_id();   -- of the last write
create index item_trend_changed_xid on item_trend (changed_xid);

-- Decayed co-visitation: the strongest neighbours of each item, all sums decayed to as_of.
create table item_neighbour (
    item_id    text primary key,
    slot       smallint not null,
    as_of      timestamptz not null,            -- newest event time that the row holds
    mass       double precision[] not null,     -- together: never, 3 d, 6 h; sum of transitions away
    lost       double precision[] not null,     -- at most this much is missing from any pair, by kind
    neighbours text[] not null,
    weights    bytea not null                   -- (k, 4) float32, little-endian: together 3, next 1
) with (fillfactor = 70);
-- Floats do not compress: out of line as they are.
alter table item_neighbour alter column weights set storage external,
    alter column neighbours set storage external;
