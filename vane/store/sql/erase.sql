-- lock_erasures --
-- One at a time: their numbers rise in the order of their commits.
select pg_advisory_xact_lock(%(lock)s);

-- lock_positions --
-- Nobody commits a chunk of these logs, or trends of them, before this transaction ends.
-- Each kind is in the order in which its flow takes it; no flow takes two kinds.
select from stream_position
where (flow = 'interactions' or starts_with(flow, 'trends/') or starts_with(flow, 'neighbours/'))
  and (log_id = %(log_id)s or log_id in (select log_id from interaction where user_id = %(user)s))
order by flow = 'interactions', flow, log_id, partition for update;

-- next_number --
select nextval('erasure_number_seq');

-- fence_trends --
-- Whoever holds these users' histories or pairs in memory must begin again from what is written.
update stream_position as p set epoch = epoch + 1
where (starts_with(flow, 'trends/') or starts_with(flow, 'neighbours/'))
  and (log_id, partition) in (
    select distinct log_id, partition from interaction where user_id = any(%(users)s));

-- delete_interactions --
-- The rows go, and the positions that have counted them say so.
with gone as (
    delete from interaction where user_id = any(%(users)s)
    returning log_id, partition, "offset", item_slot
), passed as (
    select p.flow, p.log_id, p.partition,
        count(*) filter (where gone."offset" >= p.start_offset) as rows,
        count(*) filter (where gone."offset" < p.start_offset) as based
    from gone join stream_position as p on p.log_id = gone.log_id and p.partition = gone.partition
        and (p.flow = 'interactions'
             or p.flow in ('trends/' || lpad(gone.item_slot::text, 2, '0'),
                           'neighbours/' || lpad(gone.item_slot::text, 2, '0'))
                and gone."offset" < p.next_offset)
    group by p.flow, p.log_id, p.partition
), counted as (
    update stream_position as p set applied = p.applied - passed.rows, erased = p.erased + passed.rows,
        checkpointed = p.checkpointed - passed.based
    from passed where p.flow = passed.flow and p.log_id = passed.log_id and p.partition = passed.partition
)
select count(*) from gone;

-- delete_pending --
delete from pending where user_id = any(%(users)s);

-- delete_account --
delete from account where user_id = any(%(users)s);

-- letters_with --
-- Contents that may name a user: a part of the id is in them, or they are wrapped once more.
select log_id, partition, "offset", key, payload from dead_letter
where flow = 'interactions' and (key is not null or payload is not null)
  and (%(needle)s::bytea = '' or position(%(needle)s::bytea in coalesce(key, '')) > 0
       or position(%(needle)s::bytea in coalesce(payload, '')) > 0
       or position('"vaneretry"'::bytea in coalesce(payload, '')) > 0);

-- forget_letters --
-- That they were, where and why stays, as the counts refer to it.
update dead_letter set key = null, payload = null
from unnest(%(logs)s::int[], %(partitions)s::int[], %(offsets)s::bigint[])
    as named (log_id, partition, "offset")
where dead_letter.log_id = named.log_id and dead_letter.partition = named.partition
  and dead_letter."offset" = named."offset";

-- empty_users --
-- The row stays with its version, which never goes back: whoever knows an older state is refused.
update user_preference set long = array_fill(0::real, array[384])::vector,
    short = array_fill(0::real, array[384])::vector, mass_long = 0, mass_short = 0, as_of = 'epoch',
    version = version + 1, events = 0, event_hash = 0, recent = decode(repeat('00', 512), 'hex'),
    alias_of = null, erasure = %(number)s
where user_id = any(%(users)s) returning user_id, version;

-- note_erasure --
insert into erasure (user_id, log_id, partition, cut, number)
select user_id, %(log_id)s, partition, cut, %(number)s
from unnest(%(users)s::text[]) as user_id
    cross join unnest(%(partitions)s::int[], %(cuts)s::bigint[]) as marked (partition, cut)
on conflict (user_id, log_id, partition) do update
set cut = greatest(erasure.cut, excluded.cut), number = excluded.number, erased_at = excluded.erased_at;
