-- The newest runs that did not succeed, of all views, without a look at the others.
create index runs_unsuccessful on viewkeeper.runs (id, status) where status in ('failed', 'canceled');
-- The runs of a time. Later runs mostly have larger ids, but what a put-back has filled is written at its end, with the times of
-- its fills; so the id alone does not find them. The table grows with the time: ranges of pages are enough.
create index runs_requested on viewkeeper.runs using brin (requested_at);
