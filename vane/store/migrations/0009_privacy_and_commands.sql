-- A user was erased: the events before offset `cut` of a partition are dropped whenever they are read.
create table erasure (
    user_id    text not null,
    log_id     integer not null references log,
    partition  integer not null,
    cut        bigint not null,
    number     bigint not null,                 -- of the erasure; rises in the order of their commits
    erased_at  timestamptz not null default now(),
    primary key (user_id, log_id, partition)
);
create index erasure_number on erasure (number);
create sequence erasure_number_seq;

-- The number of the user's last erasure: a worker that does not know it yet must not go on.
alter table user_preference add column erasure bigint;

-- Every version that a setting has had, and who brought it.
create table setting_history (
    key        text not null,
    version    bigint not null,
    value      jsonb not null,
    changed_by text not null,
    changed_at timestamptz not null default now(),
    primary key (key, version)
);

-- What operators asked for through admin-commands.
create table admin_command (
    command_id text primary key,
    command    text not null,
    args       jsonb not null,
    state      text not null,                   -- sent, queued, running, done, failed
    asked_at   timestamptz not null default now(),
    started_at timestamptz,
    ended_at   timestamptz,
    result     jsonb,
    error      text
);
create index admin_command_waiting on admin_command (asked_at) where state in ('queued', 'running');
