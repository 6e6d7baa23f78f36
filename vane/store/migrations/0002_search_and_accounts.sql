-- The words of each item, made by vane/search.py. Apart from `item`: a patch of a price leaves it alone.
create table item_search (
    item_id    text primary key references item on delete cascade,
    revision   smallint not null,               -- of the rules that made the words
    title_hash bigint,                          -- of the whole folded title; null: it has no word
    terms      tsvector not null
);
-- Without a list of pending entries: each search would have to read it from end to end.
create index item_search_terms on item_search using gin (terms) with (fastupdate = off);
create index item_search_title_hash on item_search (title_hash);

-- Words of titles, categories and tags, to correct a misspelt one; what is no longer used stays.
create table search_term (
    term     text primary key,
    trigrams tsvector not null
);
create index search_term_trigrams on search_term using gin (trigrams) with (fastupdate = off);

create table account (
    user_id    text primary key,
    email      text not null,
    name       text not null default '',
    created_at timestamptz not null default now()
);
create unique index account_email on account (lower(email));
