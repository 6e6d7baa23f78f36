-- near_to --
-- The items nearest to a unit vector with their inner products, about nearest first.
select item_id, -(content <#> %(query)s::halfvec(384)) from item
where available and content is not null {filter}
order by content <#> %(query)s::halfvec(384) limit %(limit)s;
