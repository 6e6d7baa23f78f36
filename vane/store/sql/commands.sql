-- note_sent --
-- The flow may have read the command before this is written.
insert into admin_command (command_id, command, args, state) values (%(id)s, %(command)s, %(args)s, 'sent')
on conflict do nothing;

-- known_commands --
-- Commands that the flow has read before.
select command_id from admin_command where command_id = any(%(ids)s) and state <> 'sent';

-- note_read --
insert into admin_command as known (command_id, command, args, state, started_at, ended_at, result, error)
values (%(id)s, %(command)s, %(args)s, %(state)s, case when %(ended)s then clock_timestamp() end,
    case when %(ended)s then clock_timestamp() end, %(result)s, %(error)s)
on conflict (command_id) do update set state = excluded.state, started_at = excluded.started_at,
    ended_at = excluded.ended_at, result = excluded.result, error = excluded.error
where known.state = 'sent';

-- begin_next --
update admin_command set state = 'running', started_at = clock_timestamp()
where command_id = (
    select command_id from admin_command where state = 'queued' order by asked_at, command_id limit 1)
returning command_id, command, args;

-- end --
update admin_command set state = %(state)s, ended_at = clock_timestamp(), result = %(result)s,
    error = %(error)s
where command_id = %(id)s and state = 'running';

-- queue_again --
-- Whoever ran them is gone; each may be run twice.
update admin_command set state = 'queued', started_at = null where state = 'running';

-- list --
select command_id, command, args, state, asked_at, started_at, ended_at, result, error from admin_command
where %(id)s::text is null or command_id = %(id)s
order by asked_at desc, command_id limit %(limit)s;
