-- near_to --
-- The items nearest to a unit vector with their inner products, about nearest first.
select item_id, -(content <#> %(query)s::halfvec(384)) from item
where available and content is not null
  and (%(kinds)s::text[] is null or kind = any(%(kinds)s))
  and (%(categories)s::text[] is null or category = any(%(categories)s))
  and (%(tags)s::text[] is null or tags && %(tags)s)
  and (%(price_min)s::float8 is null or price >= %(price_min)s)
  and (%(price_max)s::float8 is null or price <= %(price_max)s)
  and (%(exclude)s::text[] is null or item_id <> all(%(exclude)s))
order by content <#> %(query)s::halfvec(384) limit %(limit)s;
