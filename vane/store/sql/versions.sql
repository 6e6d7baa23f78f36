-- user_versions --
-- Versions of these users' states, where they have one.
select user_id, version from user_preference where user_id = any(%(user_ids)s);
