-- A batch also rebuilds views that it was not to refresh, if what they read could not be exchanged without them.
alter table viewkeeper.batch_views add column along text;
comment on column viewkeeper.batch_views.along is 'Why the batch rebuilds the view although it was not to refresh it. Null: the batch was to refresh it.';
