-- The column by whose values the author says that a view falls into slices.
alter table viewkeeper.definitions add column slices jsonb;
comment on column viewkeeper.definitions.slices is 'By which column refreshes compute only the slices that changed, and wholeEvery: how often all rows, by default once a day. Null: all rows each time, unless somebody has made a log of changes.';
