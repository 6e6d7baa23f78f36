-- latest_erasure --
select coalesce(max(number), 0) from erasure;

-- open_cuts --
-- Tombstones that flow interactions has not passed: it may still read what must be dropped.
select erasure.log_id, erasure.partition, erasure.user_id, erasure.cut
from erasure left join stream_position as p
    on p.flow = 'interactions' and p.log_id = erasure.log_id and p.partition = erasure.partition
where p.next_offset is null or erasure.cut > p.next_offset;

-- cuts_of --
-- All erasures in a log.
select user_id, partition, cut from erasure where log_id = %(log_id)s;
