-- begin_snapshot --
-- Everything is as of one moment.
set transaction isolation level repeatable read, read only;

-- state --
-- The vectors with their decayed weights, and what the row knows beside them.
select to_json(found)::text from (
    select version, case when events > 0 then as_of end as as_of, events, long::real[], short::real[],
        mass_long, mass_short, (select max(erased_at) from erasure where erasure.user_id = %(user)s) as erased_at
    from user_preference where user_id = %(user)s
) found;

-- older --
-- What months of the log that are gone left: a sum of events, by itself no longer known.
select to_json(found)::text from (
    select events, oldest as "from", as_of as until, long::real[], short::real[], mass_long, mass_short
    from user_base where user_id = %(user)s
) found;

-- account --
select to_json(found)::text from (
    select email, name, created_at from account where user_id = %(user)s
) found;

-- visitors --
-- Users who were merged into this one.
select to_json(user_id)::text from user_preference where alias_of = %(user)s order by user_id;

-- events --
-- `user_id` is the name under which each came.
select to_json(found)::text from (
    select event_id, coalesce(visitor, user_id) as user_id, item_id, action, ts, weight, session_id, request_id,
        position, recorded_at, log_id, partition, "offset"
    from interaction where user_id = %(user)s order by ts desc
) found;

-- pending --
-- Those of the events whose item is not known yet.
select to_json(found)::text from (
    select item_id, ts, weight, log_id, partition, "offset" from pending
    where user_id = %(user)s order by log_id, partition, "offset"
) found;

-- letter --
select field, reason, recorded_at from dead_letter
where log_id = %(log_id)s and partition = %(partition)s and "offset" = %(offset)s;
