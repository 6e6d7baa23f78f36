-- active_models --
-- What serves; the content only of those that the reader does not have.
select kind, version, case when version = any(%(known)s) then null else content end, positions
from model where active;

-- active_version --
select version from model where active and kind = %(kind)s;

-- lock_models --
-- One writer at a time changes what serves; readers go on.
lock table model in share row exclusive mode;

-- retire --
update model set active = false where active and kind = %(kind)s;

-- insert_model --
insert into model (kind, active, features, lists, sha256, content, metrics, positions)
values (%(kind)s, true, %(features)s, %(lists)s, sha256(%(content)s), %(content)s, %(metrics)s, %(positions)s)
returning version;

-- prune --
-- Of each kind only the newest stay.
delete from model where kind = %(kind)s and not active and version not in (
    select version from model where kind = %(kind)s order by version desc limit %(kept)s);
