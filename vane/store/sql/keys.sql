-- create --
insert into api_key (name, scopes, sha256, expires_at)
values (%(name)s, %(scopes)s, %(sha256)s, now() + %(lifetime)s::interval)
returning id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaces;

-- list --
select id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaces from api_key order by id;

-- outlive --
-- The old key of a rotation ends after the time of grace, or before where that was its end already.
update api_key set expires_at = least(expires_at, now() + %(grace)s::interval)
where id = %(id)s and revoked_at is null and (expires_at is null or expires_at > now())
returning created_at;

-- replace --
-- The new key of a rotation lives as long from now on as the old one was made for.
insert into api_key (name, scopes, sha256, expires_at, replaces)
select name, scopes, %(sha256)s, now() + (expires_at - created_at), id from api_key where id = %(id)s
returning id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaces;

-- revoke --
update api_key set revoked_at = coalesce(revoked_at, now()) where id = %(id)s
returning id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaces;

-- live --
select sha256, name, scopes, expires_at from api_key
where revoked_at is null and (expires_at is null or expires_at > now());

-- used --
update api_key set last_used_at = now()
where sha256 = any(%(used)s) and (last_used_at is null or last_used_at < now() - interval '1 minute');
