-- Categories with descriptions, by which items that declare none are classified.
create table category (
    name        text primary key,
    parent      text references category deferrable initially deferred,
    description text not null default '',
    content     halfvec(384) not null,          -- of the names down to this one, and the description
    threshold   double precision not null       -- least cosine of an item with it
);

-- item.category is the declared one, or else the classified one; this says which it is.
alter table item add column declared_category text;
update item set declared_category = category;
