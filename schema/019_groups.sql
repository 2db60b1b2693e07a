-- The groups of a batch are formed piece by piece, when their turn comes, and not all at its beginning.
alter table viewkeeper.batches add column pieces jsonb;
comment on column viewkeeper.batches.pieces is 'The views whose turn to be grouped has not come: lists of ids of definitions, each of views that read each other, most urgent first. Null: nobody has looked yet.';
comment on column viewkeeper.batches.grouped_at is 'When it was decided on the last view with which others it is exchanged.';

-- Views that are refreshed within some milliseconds are refreshed where they are, in one transaction: they have no shadows.
alter table viewkeeper.batch_groups alter column facts drop not null;
comment on table viewkeeper.batch_groups is 'Views of a batch whose new data appear at one moment.';
comment on column viewkeeper.batch_groups.facts is 'The views and all that hangs on them, as they were when the empty shadows were made. Null: the views are refreshed where they are, in one transaction.';
