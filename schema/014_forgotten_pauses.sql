-- A view that somebody has paused without an end for a week is a trouble, too: people are reminded of it.
alter table viewkeeper.troubles drop constraint troubles_trouble_check;
alter table viewkeeper.troubles add constraint troubles_trouble_check
  check (trouble in ('failing', 'stale', 'missing', 'lag', 'suspended', 'aside', 'paused'));
