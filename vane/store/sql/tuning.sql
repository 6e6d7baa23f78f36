-- read_tuning --
select value, version from setting where key = 'tuning';

-- create_tuning --
insert into setting (key, value, version) values ('tuning', %(value)s, 1) on conflict do nothing;

-- note_tuning --
-- Every version stays known, also the first one, which nobody has made.
insert into setting_history (key, version, value, changed_by)
select key, version, value, %(by)s from setting where key = 'tuning' on conflict do nothing;

-- change_tuning --
-- Nothing is changed over a version that its author has not seen.
update setting set value = %(value)s, version = version + 1
where key = 'tuning' and version = %(version)s returning version;

-- tuning_history --
select version, value, changed_by, changed_at from setting_history
where key = 'tuning' order by version desc limit %(limit)s;
