-- simulation_items --
-- A sample of what can be recommended, the same one while the catalogue stays the same.
select item_id, kind, category, tags, price is not null as buyable
from item
where available
order by hashtextextended(item_id, 0), item_id
limit %(limit)s;
