-- A user who was merged into another keeps an empty row, and later events of that name count there.
-- Never an alias of an alias.
alter table user_preference add column alias_of text;
create index user_preference_alias_of on user_preference (alias_of) where alias_of is not null;
create index pending_user on pending (user_id);
