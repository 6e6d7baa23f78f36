-- create_stage --
-- Holds the rows of one flush on their way into item_neighbour.
create temporary table if not exists neighbour_stage (
    item_id text not null, slot smallint not null, as_of timestamptz not null,
    mass double precision[] not null, lost double precision[] not null, neighbours text[] not null,
    weights bytea not null
) on commit delete rows;

-- plain_stage --
alter table neighbour_stage alter column neighbours set storage external,
    alter column weights set storage external;

-- read_rows --
select item_id, (extract(epoch from as_of) * 1000000)::bigint, mass, lost, neighbours, weights
from item_neighbour where item_id = any(%(items)b::text[]);

-- copy_stage --
copy neighbour_stage from stdin (format binary);

-- upsert_rows --
insert into item_neighbour select * from neighbour_stage
on conflict (item_id) do update set as_of = excluded.as_of, mass = excluded.mass, lost = excluded.lost,
    neighbours = excluded.neighbours, weights = excluded.weights;

-- clear_stage --
truncate neighbour_stage;
