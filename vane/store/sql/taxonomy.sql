-- clear --
delete from category;

-- add --
insert into category (name, parent, description, content, threshold)
values (%(name)s, %(parent)s, %(description)s, %(content)s::halfvec, %(threshold)s);

-- classify --
-- Items that declare no category get the nearest one that is near enough, or none.
with found as (
    select item_id, (
        select name from category
        where 1 - (category.content <=> item.content) >= threshold
        order by category.content <=> item.content, name limit 1) as name
    from item where item_id = any(%(items)s) and declared_category is null
)
update item set category = found.name from found
where item.item_id = found.item_id and item.category is distinct from found.name
returning item.item_id;

-- undeclared --
select item_id from item where declared_category is null and item_id > %(after)s
order by item_id limit %(limit)s;

-- list --
-- Every category with its items, declared and classified.
select name, parent, description, threshold,
    (select count(*) from item where item.category = name and declared_category is not null),
    (select count(*) from item where item.category = name and declared_category is null)
from category order by name;
