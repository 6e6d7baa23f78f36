-- find --
-- The account with an email address, in any case.
select user_id, email, name from account where lower(email) = lower(%(email)s);

-- create --
-- Nothing is created where the address or the id has an account.
insert into account (user_id, email, name) values (%(user_id)s, %(email)s, %(name)s)
on conflict do nothing returning user_id;
