-- The groups of a batch are formed piece by piece, when their turn comes, and not all at its beginning.
alter table viewkeeper.batches add column pieces jsonb;
comment on column viewkeeper.batches.pieces is 'The views whose turn to be grouped has not come: lists of ids of definitions, each of views that read each other, most urgent first. Null: nobody has looked yet.';
comment on column viewkeeper.batches.grouped_at is 'When it was decided on the last view with which others it is exchanged.';

-- Views that are refreshed within some milliseconds are refreshed where they are, in one transaction: they have no shadows.
alter table viewkeeper.batch_groups alter column facts drop not null;
comment on table viewkeeper.batch_groups is 'Views of a batch whose new data appear at one moment.';
comment on column viewkeeper.batch_groups.facts is 'The views and all that hangs on them, as they were when the empty shadows were made. Null: the views are refreshed where they are, in one transaction.';

-- Whether somebody waits for the end of a requested run that exchanges several views: a request for a view that is exchanged together with one
-- of them, or a batch without the first of them. While readers keep that one, the run gives way.
create function viewkeeper.is_awaited(run bigint) returns boolean
language sql stable
begin atomic
  select exists (
    select from viewkeeper.runs lead join viewkeeper.runs r on r.group_run_id = lead.id
     where lead.id = run and lead.batch_id is null and (
       exists (select from viewkeeper.runs w where w.id > run and w.status = 'skipped' and (w.error ->> 'runningRunId')::bigint = r.id and w.view_name <> r.view_name)
       or exists (
         select from viewkeeper.batches b
          where b.status in ('pending', 'running') and b.advanced_at > clock_timestamp() - interval '1 min'
            and not exists (select from viewkeeper.batch_views v where v.batch_id = b.id and v.definition_id = lead.definition_id)
            and (exists (select from jsonb_array_elements(b.locked) l where l ->> 'view' = format('%I.%I', r.schema_name, r.view_name))
                 or exists (select from viewkeeper.batch_views v where v.batch_id = b.id and v.definition_id = r.definition_id and not exists (
                      select from viewkeeper.runs s where s.batch_id = b.id and s.definition_id = v.definition_id and s.finished_at is not null))))));
end;
comment on function viewkeeper.is_awaited is 'Whether a request or a batch waits for the end of a run that exchanges several views.';
