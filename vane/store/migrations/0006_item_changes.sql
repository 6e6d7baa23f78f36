-- When each item last changed or went, so that readers can follow. Apart from `item`: a patch of a price
-- stays HOT there, off the HNSW index. An item that was deleted keeps its row.
create table item_change (
    item_id     text primary key,
    changed_xid xid8 not null
);
create index item_change_xid on item_change (changed_xid);
insert into item_change select item_id, pg_current_xact_id() from item;

-- In key order, so that two writers never deadlock.
create function note_item_changes() returns trigger language plpgsql as $$
begin
    insert into item_change as known
    select item_id, pg_current_xact_id() from changed order by item_id
    on conflict (item_id) do update set changed_xid = excluded.changed_xid
    where known.changed_xid <> excluded.changed_xid;
    return null;
end $$;
create trigger note_insert after insert on item referencing new table as changed
    for each statement execute function note_item_changes();
create trigger note_update after update on item referencing new table as changed
    for each statement execute function note_item_changes();
create trigger note_delete after delete on item referencing old table as changed
    for each statement execute function note_item_changes();
