-- The network took the place of the trees (docs/decisions/0015); models of theirs are read by nobody.
delete from model where kind = 'trees';
comment on column model.kind is 'linear or network; at most one of each serves';
