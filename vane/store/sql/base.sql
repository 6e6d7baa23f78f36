-- read_bases --
-- What older months left of users; times in microseconds.
select user_id, long, short, mass_long, mass_short, (extract(epoch from as_of) * 1000000)::bigint,
    (extract(epoch from oldest) * 1000000)::bigint, events, event_hash, size_long, size_short, mass_size_long,
    mass_size_short, terms, folds
from user_base where user_id = any(%(users)s);

-- write_base --
insert into user_base (user_id, long, short, mass_long, mass_short, as_of, oldest, events, event_hash,
    size_long, size_short, mass_size_long, mass_size_short, terms, folds)
values (%(user)s, %(long)s::vector, %(short)s::vector, %(mass_long)s, %(mass_short)s, %(as_of)s, %(oldest)s,
    %(events)s, %(event_hash)s, %(size_long)s, %(size_short)s, %(mass_size_long)s, %(mass_size_short)s,
    %(terms)s, %(folds)s)
on conflict (user_id) do update set long = excluded.long, short = excluded.short,
    mass_long = excluded.mass_long, mass_short = excluded.mass_short, as_of = excluded.as_of,
    oldest = excluded.oldest, events = excluded.events, event_hash = excluded.event_hash,
    size_long = excluded.size_long, size_short = excluded.size_short,
    mass_size_long = excluded.mass_size_long, mass_size_short = excluded.mass_size_short,
    terms = excluded.terms, folds = excluded.folds;

-- delete_bases --
delete from user_base where user_id = any(%(users)s);

-- hold_half_lives --
-- Nobody changes them before this transaction ends: a base and a state are decayed by the same.
select from setting where key = 'tuning' for share;
