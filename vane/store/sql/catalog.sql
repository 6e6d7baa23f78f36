-- read_items --
-- These items as they are now, without their contents.
select item_id, kind, title, description, declared_category as category, tags, price, currency, url,
    image_url, author, published_at, available, attributes, stats, embeds, text_hash
from item where item_id = any(%(items)s);

-- lock_items --
-- The same, held until the end of the transaction; in key order, so that two workers never deadlock.
select item_id, kind, title, description, declared_category as category, tags, price, currency, url,
    image_url, author, published_at, available, attributes, stats, embeds, text_hash
from item where item_id = any(%(items)s) order by item_id for update;

-- write_items --
-- New content takes the version after the newest that the item ever had; else the version stays.
-- An item that declares no category keeps the classified one until it is classified again.
insert into item as old (item_id, version, kind, title, description, category, tags, price, currency, url,
    image_url, author, published_at, available, attributes, stats, embeds, text_hash, content,
    declared_category)
select item_id,
    coalesce((select max(version) from item_version where item_version.item_id = new.item_id), 0)
        + new_content::integer,
    kind, title, description, category, tags, price, currency, url, image_url, author, published_at,
    available, attributes, stats, embeds, text_hash, content, category
from json_to_recordset(%(rows)s::json) as new (item_id text, kind text, title text, description text,
    category text, tags text[], price double precision, currency text, url text, image_url text,
    author text, published_at timestamptz, available boolean, attributes json, stats jsonb,
    embeds text[], text_hash bigint, content halfvec(384), new_content boolean)
order by item_id
on conflict (item_id) do update set
    version = excluded.version, kind = excluded.kind, title = excluded.title,
    description = excluded.description, tags = excluded.tags,
    category = coalesce(excluded.category, case when old.declared_category is null then old.category end),
    declared_category = excluded.declared_category,
    price = excluded.price, currency = excluded.currency, url = excluded.url,
    image_url = excluded.image_url, author = excluded.author, published_at = excluded.published_at,
    available = excluded.available, attributes = excluded.attributes, stats = excluded.stats,
    embeds = excluded.embeds, text_hash = excluded.text_hash, updated_at = now(),
    content = case when excluded.version > old.version then excluded.content else old.content end;

-- write_versions --
-- Keep the contents that `write_items` has just written, for good.
insert into item_version (item_id, version, content)
select item_id, version, content from item where item_id = any(%(items)s) order by item_id;

-- delete_items --
-- The versions stay, as the log refers to them.
delete from item where item_id = any(%(items)s);
