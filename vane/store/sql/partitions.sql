-- lock_partitions --
-- One process at a time creates partitions; another one has it then.
select pg_try_advisory_xact_lock(%(key)s);

-- log_partitions --
select inhrelid::regclass::text from pg_inherits where inhparent = 'interaction'::regclass;
