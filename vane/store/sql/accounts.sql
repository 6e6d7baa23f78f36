-- find --
-- The account with an email address, in any case.
select user_id, email, name from account where lower(email) = lower(%(email)s);

-- create --
-- Nothing is created where the address or the id has an account, or for a user who was erased: a demo
-- account does not come back by itself.
insert into account (user_id, email, name) select %(user_id)s, %(email)s, %(name)s
where not exists (select from erasure where erasure.user_id = %(user_id)s)
on conflict do nothing returning user_id;
