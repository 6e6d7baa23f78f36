-- write_index --
-- The words of these items; a row that stays as it was is not written.
insert into item_search as old (item_id, revision, title_hash, terms)
select item_id, %(revision)s, title_hash, terms
from json_to_recordset(%(rows)s::json) as new (item_id text, title_hash bigint, terms tsvector)
order by item_id
on conflict (item_id) do update set
    revision = excluded.revision, title_hash = excluded.title_hash, terms = excluded.terms
where (old.revision, old.title_hash, old.terms)
    is distinct from (excluded.revision, excluded.title_hash, excluded.terms);

-- write_terms --
-- Terms are only ever added, in their order, so that two workers never deadlock.
insert into search_term (term, trigrams)
select term, trigrams
from json_to_recordset(%(rows)s::json) as new (term text, trigrams tsvector)
where not exists (select from search_term known where known.term = new.term)
order by term
on conflict (term) do nothing;

-- lock_outdated --
-- Items without words, or with those of other rules; locked, so that no writer gets in between.
select item.item_id, title, description, category, tags
from item left join item_search on item_search.item_id = item.item_id
where item_search.item_id is null or revision <> %(revision)s
order by item.item_id limit %(limit)s for update of item;

-- search --
-- The best by title, rank, taste and popularity, best first. `taste` has the centred unit vectors of
-- the user, or nulls. Of very many matches only some are ranked: first those with that very title, then
-- those with the words in it, then others.
with {taste}, offered as not materialized (
    select item_id, title_hash, terms, ts_rank(%(weights)s::real[], terms, %(rank)s::tsquery) as rank,
           -(content <#> (select long from taste)) - (content <#> (select short from taste)) as taste
    from item_search join item using (item_id)
    where available {filter}
), titled as materialized (
    select item_id, title_hash, rank, taste from offered
    where terms @@ %(title_match)s::tsquery limit %(matches_max)s
), matched as (
    (select item_id, title_hash, rank, taste from offered
     where title_hash = %(title_hash)s limit %(limit)s)
    union
    select item_id, title_hash, rank, taste from titled
    union
    (select item_id, title_hash, rank, taste from offered
     where terms @@ %(match)s::tsquery
     limit (select %(matches_max)s - count(*) from titled))
), best as (
    select item_id, taste, row_number() over (order by
        coalesce(title_hash = %(title_hash)s, false) desc, rank desc, taste desc nulls last,
        case when taste is null then (
            select heat_7d from item_trend where item_trend.item_id = matched.item_id
        ) end desc nulls last, item_id) as place
    from matched
    order by place limit %(limit)s
)
select item_id, title, kind, category, tags, price, currency, image_url, url,
       taste / 2
from best join item using (item_id) order by place;

-- taste --
-- The centred unit vectors of the user; no row where there are none.
taste as materialized (
    select l2_normalize(long - %(mean)s::vector * array_fill(mass_long::real, array[384])::vector)
               ::halfvec(384) as long,
           l2_normalize(short - %(mean)s::vector * array_fill(mass_short::real, array[384])::vector)
               ::halfvec(384) as short
    from user_preference
    where user_id = %(user_id)s and vector_norm(long) > 0
)

-- meant --
-- The available items whose content is nearest to that of a text, with taste and cosine.
with {taste}, near as materialized (
    select item_id, content, -(content <#> %(meaning)s::halfvec(384)) as cosine from item
    where available and content is not null {filter}
    order by content <#> %(meaning)s::halfvec(384) limit %(limit)s
)
select item_id, title, kind, category, tags, price, currency, image_url, url,
       (-(near.content <#> (select long from taste)) - (near.content <#> (select short from taste))) / 2,
       cosine
from near join item using (item_id) where cosine >= %(cosine_min)s order by cosine desc;

-- titles --
-- Titles with words that begin like these, the most popular of some first.
select item_id, title from (
    select item_id, title from item_search join item using (item_id)
    where available and terms @@ %(title_match)s::tsquery limit %(matches_max)s
) matched left join item_trend using (item_id)
order by heat_7d desc nulls last, length(title), item_id limit %(limit)s;

-- matching --
-- Which of these queries match any item; by their places, from 1.
select place
from unnest(%(queries)s::text[]) with ordinality as wanted (query, place)
where exists (select from item_search where terms @@ query::tsquery);

-- similar_terms --
-- Known terms that share most trigrams with one, and its swapped spellings; each with the number of
-- items that have it, counted up to a limit.
select term, (
    select count(*) from (
        select from item_search
        where terms @@ quote_literal(term)::tsquery limit %(items_max)s
    ) counted
) as items
from (
    (select term from search_term
     where trigrams @@ %(trigrams)s::tsquery and length(term) between %(shortest)s and %(longest)s
     order by ts_rank(trigrams, %(trigrams)s::tsquery) desc, term limit %(limit)s)
    union
    select term from search_term where term = any(%(swapped)s)
) found;
