-- What remains of old months of the log (docs/decisions/0025): a user's state is the row here plus the log.
create table user_base (
    user_id         text primary key,
    long            vector(384) not null,
    short           vector(384) not null,
    mass_long       double precision not null,
    mass_short      double precision not null,
    as_of           timestamptz not null,       -- newest event time in it; decayed to it
    oldest          timestamptz not null,       -- oldest event time in it
    events          bigint not null,
    event_hash      bigint not null,            -- sum of the 64-bit event-id hashes, modulo 2^64
    size_long       double precision not null,  -- of the terms' largest components, for error bounds
    size_short      double precision not null,
    mass_size_long  double precision not null,  -- of the terms' weights, the same
    mass_size_short double precision not null,
    terms           bigint not null,
    folds           integer not null            -- how often it was rounded to float32
);
alter table user_base alter column long set storage plain;
alter table user_base alter column short set storage plain;

-- Log rows of each partition that are in user_base: applied = rows + these.
create table retired (
    log_id    integer not null references log,
    partition integer not null,
    rows      bigint not null,
    primary key (log_id, partition)
);

-- Trends and neighbours as they were at start_offset of the slots' positions. Columns in the order of theirs.
create table trend_base (like item_trend);
alter table trend_base add primary key (item_id);
create table neighbour_base (like item_neighbour including storage);
alter table neighbour_base add primary key (item_id);

-- One row, once months were dropped: users' histories reach back to rows recorded from then on.
create table log_horizon (
    only_one      boolean primary key default true check (only_one),
    history_from  timestamptz not null,
    checkpoint_at timestamptz not null
);

-- Rows that outlive their months, recorded at 'epoch' by now: what excludes an item, what waits for its item.
create table interaction_kept partition of interaction for values from (minvalue) to ('1970-01-02 00:00:00+00');

-- Of a slot's position: log rows before start_offset, which its base holds.
alter table stream_position add column checkpointed bigint not null default 0;
