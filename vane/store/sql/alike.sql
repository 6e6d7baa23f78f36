-- people --
-- Users of a random sample of about %(pages)s pages, with their centred long tastes as unit vectors.
select user_id, taste from (
    select user_id,
        l2_normalize(long - %(mean)s::vector * array_fill(mass_long::real, array[384])::vector)
            ::halfvec(384) as taste
    from user_preference tablesample system (
        (select 100 * least(1, %(pages)s::float8
            / greatest(1, pg_relation_size('user_preference') / 8192)))
    )
    where events >= %(events_min)s
    limit %(people_max)s
) sampled where vector_norm(taste::vector) > 0;

-- went_for --
-- The newest items that each of these users liked, by the user's place in the list, from 1.
select distinct place, item_id
from unnest(%(user_ids)s::text[]) with ordinality as person (user_id, place)
cross join lateral (
    select item_id from interaction
    where interaction.user_id = person.user_id and weight > 0
    order by ts desc limit %(events_max)s
) newest;
