-- read_tuning --
select value, version from setting where key = 'tuning';

-- create_tuning --
insert into setting (key, value, version) values ('tuning', %(value)s, 1) on conflict do nothing;
