-- What a run needs to know to be left out because it cannot change anything.
alter table viewkeeper.runs
  add column touched text,
  add column inputs jsonb;
comment on column viewkeeper.runs.touched is 'The transaction that wrote the catalog''s row of the view last: every refresh does, whoever asks for it.';
comment on column viewkeeper.runs.inputs is 'What the query read, if it read materialized views only: the runs that had filled them, and the state of what lies between. Null: it cannot be proved that a refresh would change nothing.';
