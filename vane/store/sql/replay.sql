-- user_terms --
-- Everything that these users' vectors are the sum of: the log, and what its older months left. In one
-- statement, so as of one moment: rows may go from the one to the other meanwhile.
select user_id, item_id, item_version, (extract(epoch from ts) * 1000000)::bigint, weight,
    null::vector, null::vector, null::float8, null::float8
from interaction where user_id = any(%(users)s) and item_version is not null
union all
select user_id, null, null, (extract(epoch from as_of) * 1000000)::bigint, null, long, short, mass_long,
    mass_short
from user_base where user_id = any(%(users)s);

-- version_contents --
select item_id, version, content
from item_version join unnest(%(items)s::text[], %(versions)s::int[]) as used (item_id, version)
    using (item_id, version)
where content is not null;

-- users_after --
-- The next users in key order, of all or of those with an event since a time.
select user_id from user_preference
where user_id > %(after)s and (%(since)s::timestamptz is null or as_of >= %(since)s)
order by user_id limit %(limit)s;

-- count_users --
select count(*) from user_preference where %(since)s::timestamptz is null or as_of >= %(since)s;

-- reset_trends --
-- Trends from zero: the positions go back with the rows, and running flows are fenced off.
update stream_position set next_offset = start_offset, epoch = epoch + 1, applied = 0, empty = 0,
    erased = 0
where starts_with(flow, 'trends/') or starts_with(flow, 'neighbours/');

-- drop_trends --
delete from item_trend;

-- drop_neighbours --
delete from item_neighbour;

-- restore_trends --
-- What months of the log that are gone had added, see trend_base; columns in the same order.
insert into item_trend select * from trend_base;

-- touch_trends --
update item_trend set changed_xid = pg_current_xact_id();

-- restore_neighbours --
insert into item_neighbour select * from neighbour_base;

-- users_of_older_generations --
select user_id from user_preference where generation < %(generation)s limit %(limit)s;

-- raise_generation --
update setting set version = version + 1, value = value || jsonb_build_object(
    'half_life_long_s', %(long)s::float8, 'half_life_short_s', %(short)s::float8,
    'generation', (value ->> 'generation')::int + 1)
where key = 'tuning';
