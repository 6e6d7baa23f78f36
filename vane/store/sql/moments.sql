-- about --
-- All of a user in one row, of one snapshot, also for an unknown one: state, vectors with their masses,
-- newest events in four columns, what was seen, what must stay out, what is nearest to the centred
-- queries, nearest first, and which transactions wrote the neighbours of the newest items. `offered`
-- is inlined into both searches.
with person as materialized (
    select version, as_of, events, long, short, mass_long, mass_short, vector_norm(long) > 0 as worded
    from user_preference where user_id = %(user_id)s
), taste as materialized (
    select l2_normalize(long - %(mean)s::vector * array_fill(mass_long::real, array[384])::vector)
               ::halfvec(384) as long,
           l2_normalize(short - %(mean)s::vector * array_fill(mass_short::real, array[384])::vector)
               ::halfvec(384) as short
    from person where worded
), newest as materialized (
    select item_id, action, ts, weight from interaction where user_id = %(user_id)s
    order by ts desc, log_id desc, "offset" desc limit {seen_max}
), seen as materialized (
    select distinct item_id from newest where %(exclude_seen)s
), hidden as materialized (
    select distinct item_id from (
        select item_id from interaction
        where user_id = %(user_id)s and excludes limit {hidden_max}
    ) some_hidden
), watched as materialized (
    select item_id, coalesce(n.xmin::text::bigint, 0) as written
    from (select distinct item_id from (select item_id from newest limit {watched_max}) last) items
    left join item_neighbour n using (item_id)
), offered as not materialized (
    select item_id, content from item
    where available and content is not null {filter}
      and item_id not in (select item_id from seen union all select item_id from hidden)
)
select coalesce(version, 0), case when events > 0 then as_of end, coalesce(events, 0),
    (select coalesce(max(version), 0) from setting),
    case when worded then long end, short, mass_long, mass_short,
    array(select item_id from newest limit {events_max}),
    array(select action from newest limit {events_max}),
    array(select (extract(epoch from ts) * 1000000)::bigint from newest limit {events_max}),
    array(select weight from newest limit {events_max}),
    array(select item_id from seen), array(select item_id from hidden),
    array(
        select item_id from offered where (select long from taste) is not null
        order by content <#> (select long from taste) limit {near_max}
    ), array(
        select item_id from offered where (select short from taste) is not null
        order by content <#> (select short from taste) limit {near_max}
    ),
    array(select item_id from watched), array(select written from watched)
from (select) as one left join person on true;

-- filter --
-- What narrows `offered`.
and (%(kinds)s::text[] is null or kind = any(%(kinds)s))
and (%(categories)s::text[] is null or category = any(%(categories)s))
and (%(tags)s::text[] is null or tags && %(tags)s)
and (%(price_min)s::float8 is null or price >= %(price_min)s)
and (%(price_max)s::float8 is null or price <= %(price_max)s)
and (%(exclude)s::text[] is null or item_id <> all(%(exclude)s))
and (%(only)s::text[] is null or item_id = any(%(only)s))

-- still_hidden --
-- Which of these items the user hid, disliked or bought.
select distinct item_id from interaction
where user_id = %(user_id)s and excludes and item_id = any(%(item_ids)s);

-- neighbours --
-- With what these items are visited.
select item_id, neighbours, weights, mass, (extract(epoch from as_of) * 1000000)::bigint,
    xmin::text::bigint
from item_neighbour where item_id = any(%(item_ids)s);

-- nearest --
-- The nearest to each item's content, seen from the mean item, with their cosines from there.
with origin as materialized (
    select item_id as origin_id,
        l2_normalize(content::vector - %(mean)s::vector)::halfvec(384) as query
    from item
    where item_id = any(%(item_ids)s) and content is not null
      and vector_norm(content::vector - %(mean)s::vector) > 0
)
select origin_id, item_id, 1 - ((content::vector - %(mean)s::vector) <=> query::vector)
from origin cross join lateral (
    select item_id, content from item
    where available and content is not null and item_id <> origin_id
    order by content <#> query limit %(limit)s
) found;

-- details --
-- What a list shows of its items.
select item_id, title, kind, category, tags, price, currency, image_url, url
from item where item_id = any(%(item_ids)s);

-- contents --
-- What items are about.
select item_id, content from item where item_id = any(%(item_ids)s);
