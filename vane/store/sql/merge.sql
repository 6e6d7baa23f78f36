-- account_of --
select alias_of from user_preference where user_id = %(user)s and alias_of is not null;

-- has_account --
select exists(select from account where user_id = %(user)s);

-- aliases_of --
select user_id from user_preference where alias_of = %(user)s;

-- lock_pending --
-- Whoever adds waiting events takes them before their users; so does a merge, or the two would deadlock.
select from pending where user_id = %(user)s order by log_id, partition, "offset" for update;

-- lock_users --
-- Lock users in the order given, as every writer does; who has no row gets an empty one of version 0.
insert into user_preference as old (user_id, long, short, mass_long, mass_short, as_of, version, events,
    event_hash, recent, generation)
select user_id, array_fill(0::real, array[384])::vector, array_fill(0::real, array[384])::vector, 0, 0,
    'epoch', 0, 0, 0, decode(repeat('00', 512), 'hex'), 0
from unnest(%(users)s::text[]) as locked (user_id)
on conflict (user_id) do update set version = old.version where false;

-- write_account --
update user_preference set long = %(long)s::vector, short = %(short)s::vector,
    mass_long = %(mass_long)s, mass_short = %(mass_short)s, as_of = %(as_of)s, version = %(version)s,
    events = %(events)s, event_hash = %(event_hash)s, recent = %(recent)s, generation = %(generation)s
where user_id = %(account)s;

-- empty_visitor --
update user_preference set long = array_fill(0::real, array[384])::vector,
    short = array_fill(0::real, array[384])::vector, mass_long = 0, mass_short = 0, as_of = 'epoch',
    version = %(version)s, events = 0, event_hash = 0, recent = decode(repeat('00', 512), 'hex'),
    generation = %(generation)s, alias_of = %(account)s
where user_id = %(visitor)s;

-- move_aliases --
update user_preference set alias_of = %(account)s where alias_of = %(visitor)s;

-- move_interactions --
-- The name that the events came under stays: flows/trends goes by it.
update interaction set user_id = %(account)s, visitor = coalesce(visitor, user_id)
where user_id = %(visitor)s;

-- move_pending --
update pending set user_id = %(account)s where user_id = %(visitor)s;
