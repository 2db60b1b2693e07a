-- What the refreshes of a view cost, by days: a sum over the runs of 30 days would read all of them at each look.
create table viewkeeper.costs (
  definition_id integer not null references viewkeeper.definitions on delete cascade,
  day date not null,
  refreshes integer not null,
  ms bigint not null,
  primary key (definition_id, day)
);
comment on table viewkeeper.costs is 'What the refreshes of each view took on each of the last 30 days, by UTC, as far as their ends are published.';
comment on column viewkeeper.costs.refreshes is 'How many succeeded.';
comment on column viewkeeper.costs.ms is 'How long they took together, those that failed or were canceled among them.';

-- When an end is published, like the last ends: so no run waits for it.
create function viewkeeper.note_cost() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into viewkeeper.costs as c (definition_id, day, refreshes, ms)
  values (new.definition_id, (new.finished_at at time zone 'utc')::date, (new.status = 'success')::integer, new.duration_ms)
  on conflict (definition_id, day) do update set refreshes = c.refreshes + excluded.refreshes, ms = c.ms + excluded.ms;
  return null;
end $$;
comment on function viewkeeper.note_cost is 'Adds what a run took to the costs of its view.';
revoke execute on function viewkeeper.note_cost() from public;
create trigger note_cost after update of published_at on viewkeeper.runs for each row
  when (old.published_at is null and new.published_at is not null and new.operation = 'refresh' and new.definition_id is not null
        and new.duration_ms is not null and new.status in ('success', 'failed', 'canceled'))
  execute function viewkeeper.note_cost();

insert into viewkeeper.costs (definition_id, day, refreshes, ms)
select r.definition_id, (r.finished_at at time zone 'utc')::date, count(*) filter (where r.status = 'success'), sum(r.duration_ms)
  from viewkeeper.runs r
 where r.id >= (select viewkeeper.first_run_since(clock_timestamp() - interval '30 days')) and r.operation = 'refresh'
   and r.status in ('success', 'failed', 'canceled') and r.published_at is not null and r.duration_ms is not null and r.definition_id is not null
 group by 1, 2;

create view viewkeeper.view_costs as
  select d.id, format('%I.%I', d.schema_name, d.name) as view, c.refreshes, c.days, c.ms, round(c.ms_a_day) as ms_a_day,
         round(c.ms_a_day / nullif(sum(c.ms_a_day) over (), 0), 4) as share
    from viewkeeper.definitions d
    join (
      select b.definition_id, sum(b.refreshes)::integer as refreshes, sum(b.ms)::bigint as ms, today.day - min(b.day) + 1 as days,
             sum(b.ms) / (today.day - min(b.day) + 1) as ms_a_day
        from viewkeeper.costs b cross join (select (clock_timestamp() at time zone 'utc')::date) today(day)
       where b.day > today.day - 30
       group by b.definition_id, today.day) c on c.definition_id = d.id
   where d.removed_at is null;
comment on view viewkeeper.view_costs is 'What the refreshes of each view took in the last 30 days, a day, and its share of all.';
