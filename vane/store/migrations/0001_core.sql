create extension if not exists vector;

-- A Kafka topic as it exists now: recreating a topic, or an embedded broker's new start, is a new log.
create table log (
    log_id      integer generated always as identity primary key,
    cluster_id  text not null,
    topic       text not null,
    topic_id    text not null,
    opened_at   timestamptz not null default now(),
    unique (cluster_id, topic, topic_id)
);

-- Where a flow stands. The counts always add up to the span of offsets that it has passed.
create table stream_position (
    flow          text not null,
    log_id        integer not null references log,
    partition     integer not null,
    start_offset  bigint not null,
    next_offset   bigint not null,
    end_offset    bigint not null default 0,   -- end of the log when it was last looked at
    epoch         bigint not null default 0,   -- raised by every owner; fences off the ones before
    owner         text,
    applied       bigint not null default 0,
    dead_lettered bigint not null default 0,
    duplicates    bigint not null default 0,
    erased        bigint not null default 0,   -- dropped, as the user was erased
    empty         bigint not null default 0,   -- offsets that carried nothing (transactions, compaction)
    skipped       bigint not null default 0,   -- a gap that an operator accepted
    clamped       bigint not null default 0,   -- of the applied: time was in the future
    updated_at    timestamptz not null default now(),
    primary key (flow, log_id, partition),
    constraint counts_add_up check (
        applied + dead_lettered + duplicates + erased + empty + skipped = next_offset - start_offset
    )
) with (fillfactor = 50);

create table dead_letter (
    log_id      integer not null references log,
    partition   integer not null,
    "offset"    bigint not null,
    flow        text not null,
    field       text not null,
    reason      text not null,
    key         bytea,
    payload     bytea,
    recorded_at timestamptz not null,
    retried_at  timestamptz,
    primary key (log_id, partition, "offset")
);
create index dead_letter_recorded_at on dead_letter (recorded_at);

create table item (
    item_id      text primary key,
    version      integer not null,              -- of its content, see item_version
    kind         text not null default 'item',
    title        text not null default '',
    description  text not null default '',
    category     text,
    tags         text[] not null default '{}',
    price        double precision,
    currency     text,
    url          text,
    image_url    text,
    author       text,
    published_at timestamptz,
    available    boolean not null default true,
    attributes   json,                          -- as it came: jsonb would turn 1e300 into 301 digits
    stats        jsonb,
    embeds       text[] not null default '{}',
    text_hash    bigint,                        -- of the text that content was made from, with the model
    content      halfvec(384),                  -- null: no text
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now()
) with (fillfactor = 70);                       -- a patch of price or stats stays HOT, so off the HNSW index
alter table item alter column content set storage plain;
create index item_content on item using hnsw (content halfvec_ip_ops) with (m = 16, ef_construction = 100);
create index item_category on item (category);
create index item_kind on item (kind);
create index item_created_at on item (created_at desc);

-- Every content an item has had; never updated, kept while the interaction log refers to it.
create table item_version (
    item_id     text not null,
    version     integer not null,
    content     halfvec(384),
    created_xid xid8 not null default pg_current_xact_id(),
    primary key (item_id, version)
);
alter table item_version alter column content set storage plain;
create index item_version_created_xid on item_version (created_xid);

create table user_preference (
    user_id      text primary key,
    long         vector(384) not null,
    short        vector(384) not null,
    mass_long    double precision not null,
    mass_short   double precision not null,
    as_of        timestamptz not null,          -- newest event time; the state is decayed to it
    version      bigint not null,               -- raised by every write, never goes back
    events       bigint not null,
    event_hash   bigint not null,               -- sum of the 64-bit event-id hashes, modulo 2^64
    recent       bytea not null,                -- the newest 64 event-id hashes, a ring
    generation   integer not null default 1     -- of the half-lives that it is decayed with
) with (fillfactor = 50);
alter table user_preference alter column long set storage plain;
alter table user_preference alter column short set storage plain;
alter table user_preference alter column recent set storage plain;

create table interaction (
    log_id       integer not null,
    partition    integer not null,
    "offset"     bigint not null,
    recorded_at  timestamptz not null,
    event_id     text not null,
    user_id      text not null,
    item_id      text not null,
    action       text not null,
    ts           timestamptz not null,          -- as used: clamped where it was in the future
    weight       real not null,                 -- as used
    item_version integer,                       -- as used; null while the item is unknown
    excludes     boolean not null,              -- keeps the item out of the user's lists for ever
    item_slot    smallint not null,             -- of flows/trends
    session_id   text,
    request_id   text,
    position     integer,
    primary key (log_id, partition, "offset", recorded_at)
) partition by range (recorded_at);
create index interaction_user on interaction (user_id, ts desc);
create index interaction_excludes on interaction (user_id, item_id) where excludes;
create table interaction_default partition of interaction default;

-- Events whose item is not known yet: logged and counted, their vector term still to be added.
create table pending (
    log_id      integer not null,
    partition   integer not null,
    "offset"    bigint not null,
    recorded_at timestamptz not null,
    user_id     text not null,
    item_id     text not null,
    ts          timestamptz not null,
    weight      real not null,
    primary key (log_id, partition, "offset")
);
create index pending_item on pending (item_id);

-- Popularity as forward-decayed log scores: heat_h = log2(sum of weight * 2^(t/h)), t in seconds since
-- 1970, so the decayed value at T is 2^(heat_h - T/h), and the order by heat holds at every T.
create table item_trend (
    item_id     text primary key,
    slot        smallint not null,
    events      bigint not null,
    heat_15m    double precision not null,
    heat_1h     double precision not null,
    heat_2h24m  double precision not null,
    heat_1d     double precision not null,
    heat_7d     double precision not null,
    heat_never  double precision not null,
    heat_1k     double precision not null,      -- decays by events instead of seconds
    heat_10k    double precision not null
) with (fillfactor = 70);
create index item_trend_1d on item_trend (heat_1d desc);
create index item_trend_7d on item_trend (heat_7d desc);

create table setting (
    key     text primary key,
    value   jsonb not null,
    version bigint not null
);
