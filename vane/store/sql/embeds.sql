-- embeds --
-- What these items embed, as far as it may be had, in their order.
select embedder.item_id, found.item_id, title, kind, price, currency, image_url, url
from (select item_id, embeds from item where item_id = any(%(item_ids)s)) embedder
cross join lateral (
    select embedded, place from unnest(embeds) with ordinality as listed (embedded, place)
    order by place limit %(looked_at)s
) listed
join lateral (
    select item_id, title, kind, price, currency, image_url, url from item
    where item_id = embedded and available
) found on true
order by embedder.item_id, place;
