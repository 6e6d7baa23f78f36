-- A fenced worker ends before anybody could ask it: it leaves its mark in the row that it has lost.
alter table stream_position add column fenced bigint not null default 0;
