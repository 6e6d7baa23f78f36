-- settings_version --
select coalesce(max(version), 0) from setting;

-- user_state --
-- One row, also for an unknown user.
select coalesce(u.version, 0), case when u.events > 0 then u.as_of end, coalesce(u.events, 0),
       (select coalesce(max(version), 0) from setting)
from (select) as one left join user_preference u on u.user_id = %(user_id)s;

-- item_mean --
-- The mean content of a sample of about %(pages)s pages, always the same one.
select avg(content), count(content)
from item tablesample system (
    (select 100 * least(1, %(pages)s::float8 / greatest(1, pg_relation_size('item') / 8192)))
) repeatable (0);

-- item --
select item_id, version, kind, title, description, category, tags, price, currency, url, image_url,
       author, published_at, available, attributes, stats, embeds, updated_at
from item where item_id = %(item_id)s;

-- affinities --
-- Decayed weights by category and tag over a user's newest events; the exponent stays in range.
with newest as (
    select item_id, weight, ts from interaction
    where user_id = %(user_id)s order by ts desc limit %(events_max)s
), share as (
    select category, tags, weight * power(2::float8, greatest(-900, -extract(epoch from
        (select max(ts) from newest) - ts)::float8 / %(half_life_s)s)) as share
    from newest join item using (item_id)
)
select 'category' as kind, category as name, sum(share) as share
from share where category is not null group by category
union all
select 'tag', tag, sum(share) from share, unnest(tags) as tag group by tag
order by share desc, name;

-- recent_items --
-- The newest items that a user touched, each with the last action on it.
select item_id, coalesce(title, ''), action, ts from (
    select distinct on (item_id) item_id, action, ts from (
        select item_id, action, ts from interaction
        where user_id = %(user_id)s order by ts desc limit %(events_max)s
    ) newest order by item_id, ts desc
) touched left join item using (item_id)
order by ts desc, item_id limit %(limit)s;

-- applied_offsets --
-- How far flow interactions is in one log.
select partition, next_offset from stream_position
where flow = 'interactions' and log_id = %(log_id)s;
