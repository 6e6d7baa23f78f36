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

-- candidates --
-- The best of every source, with all their features. The queries are centred unit vectors; a user
-- without any has null ones and none of these candidates. `offered` is inlined into each source.
with taste as materialized (
    select l2_normalize(long - %(mean)s::vector * array_fill(mass_long::real, array[384])::vector)
               ::halfvec(384) as long,
           l2_normalize(short - %(mean)s::vector * array_fill(mass_short::real, array[384])::vector)
               ::halfvec(384) as short
    from user_preference
    where user_id = %(user_id)s and vector_norm(long) > 0
), hidden as materialized (
    select item_id from (
        select item_id from interaction
        where user_id = %(user_id)s and %(exclude_seen)s
        order by ts desc limit %(seen_max)s
    ) seen
    union
    select item_id from interaction where user_id = %(user_id)s and excludes and %(exclude_hidden)s
), offered as not materialized (
    select item_id, content, created_at from item
    where available
      and (%(kind)s::text is null or kind = %(kind)s)
      and (%(category)s::text is null or category = %(category)s)
      and item_id not in (select item_id from hidden)
), near_long as (
    select item_id from offered
    where content is not null and (select long from taste) is not null
    order by content <#> (select long from taste) limit %(per_source)s
), near_short as (
    select item_id from offered
    where content is not null and (select short from taste) is not null
    order by content <#> (select short from taste) limit %(per_source)s
), hot_1d as (
    select item_id from item_trend join offered using (item_id)
    order by heat_1d desc limit %(per_source)s
), hot_7d as (
    select item_id from item_trend join offered using (item_id)
    order by heat_7d desc limit %(per_source)s
), newest as (
    select item_id, row_number() over () - 1 as arrival
    from (select item_id from offered order by created_at desc limit %(per_source)s) arrivals
)
select item_id, -(content <#> (select long from taste)), -(content <#> (select short from taste)),
       heat_1d, heat_7d, arrival
from (
    select item_id from near_long union select item_id from near_short
    union select item_id from hot_1d union select item_id from hot_7d
    union select item_id from newest
) found
join item using (item_id) left join item_trend using (item_id) left join newest using (item_id)
order by item_id;

-- details --
-- What a list shows of its items.
select item_id, title, kind, category, tags, price, currency, image_url, url,
       content
from item where item_id = any(%(item_ids)s);

-- causes --
-- The newest items with content that a user did something positive with.
select item_id, action, title, content
from (
    select item_id, action, ts from interaction
    where user_id = %(user_id)s and weight > 0 order by ts desc limit %(limit)s
) newest
join item using (item_id)
where content is not null order by ts desc;

-- item --
select item_id, version, kind, title, description, category, tags, price, currency, url, image_url,
       author, published_at, available, attributes, stats, embeds, updated_at
from item where item_id = %(item_id)s;

-- similar --
-- The nearest to an item's content, seen from the mean item.
with origin as materialized (
    select l2_normalize(content::vector - %(mean)s::vector)::halfvec(384) as query
    from item where item_id = %(item_id)s
)
select item_id, -(content <#> (select query from origin))
from item
where available and item_id <> %(item_id)s and content is not null
  and (select query from origin) is not null
order by content <#> (select query from origin) limit %(limit)s;

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
