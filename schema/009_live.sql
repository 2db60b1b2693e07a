-- Views that are exact at each read: the stored rows of the slices that no change has touched, and the query for those that one has.

-- A mark of what the proof of a change log reads and that is not in the world of its table. Null if a foreign table inherits from another table: then
-- each proof looks who may write what through which parent.
create function viewkeeper.log_proof(relation oid, query oid, logs oid[]) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  if exists (select from pg_foreign_table f join pg_inherits i on i.inhrelid = f.ftrelid) then
    return null;
  end if;
  return (select md5(row(
    (select string_agg(concat(w.oid, ' ', w.xmin), ',' order by w.oid) from pg_rewrite w where w.ev_class = query),
    (select string_agg(concat(n.oid, ' ', n.xmin), ',' order by n.oid) from pg_namespace n),
    (select string_agg(concat(l.oid, ' ', l.xmin), ',' order by l.oid) from pg_language l where l.lanname = 'plpgsql'),
    -- The functions that note and forget.
    (select string_agg(concat(p.oid, ' ', p.xmin, ' ', has_function_privilege(c.relowner, p.oid, 'EXECUTE')), ',' order by p.oid)
       from pg_class l cross join lateral (values (l.relname), ((l.relname || '_forget')::name)) own(name)
       join pg_proc p on p.proname = own.name and p.pronamespace = l.relnamespace where l.oid = any (logs)),
    (select string_agg(concat(o.oid, ' ', o.xmin), ',' order by o.oid) from pg_opclass o where o.oid >= 16384 and o.opcdefault),
    (select string_agg(concat(x.oid, ' ', x.xmin), ',' order by x.oid) from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = any (logs)),
    (select string_agg(concat(l.oid, ' ', l.xmin), ',' order by l.oid) from pg_class l where l.oid = any (logs) and has_table_privilege(c.relowner, l.oid, 'SELECT')),
    (select string_agg(r.oid::text, ',' order by r.oid) from pg_roles r
      where not r.rolsuper and r.oid in (select m.member from pg_auth_members m where m.roleid = 'pg_write_all_data'::regrole)))::text)
    from pg_class c where c.oid = relation);
end $$;

-- Whether the change log of a table tells, in the snapshot of the statement that asks, which of its slices are not as `queried` makes them: it is as the last
-- refresh on record left it, and nothing has changed but rows of tables, no setting of this session either. Whoever may read a live view asks; he is told no
-- more than that. False to a serializable transaction, which would conflict with each
-- writer of the log; and while a trigger is executed, as the statement that fired it may not have noted its rows yet.
create function viewkeeper.log_tells(viewed regclass, queried regclass, logs regclass[], sliced name) returns boolean
language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  standby constant boolean := pg_is_in_recovery();
  mark jsonb;
  is_now jsonb;
  ids oid[];
begin
  if (select c.relrowsecurity from pg_class c where c.oid = viewed) then
    raise sqlstate 'VK002' using message = format('%s has row security, which its live view would not keep', viewed), hint = format('Read %s.', viewed);
  end if;
  if current_setting('transaction_isolation') = 'serializable' or pg_trigger_depth() > 0
     or nullif(current_setting('viewkeeper.login_settings', true), '') is not null then
    return false;
  end if;
  select r.meta #> '{response,slices}' into mark
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join viewkeeper.definitions d on d.schema_name = n.nspname and d.name = c.relname
   cross join viewkeeper.last_success(d.id) f(id) join viewkeeper.runs r on r.id = f.id
   where c.oid = viewed and r.filled = viewkeeper.filling(c.oid) and r.touched = c.xmin::text
     and exists (select from pg_class q where q.oid = queried and q.relkind = 'v' and q.relname = (c.relname || '_query')::name and q.relnamespace = c.relnamespace
                    and q.relowner = c.relowner and obj_description(q.oid, 'pg_class') = 'Viewkeeper keeps the rows of this query in a table.')
     -- What a refresh found wrong, and times beyond the range of their type: see whyNotBelieved of src/slices/plan/trust.ts.
     and not exists (select from viewkeeper.switches s
                      where s.key = 'wrong slices' and (s.value #>> array[d.id::text, 'log'])::oid = any (logs::oid[]))
     and not exists (select from viewkeeper.runs f where f.definition_id = d.id and f.id > r.id and f.status = 'failed' and f.error ->> 'sqlstate' = '22008');
  if mark -> 'world' is null or mark ->> 'by' <> sliced or (mark ->> 'overflows')::oid = any (logs::oid[]) then
    return false;
  end if;
  -- What the server empties or leaves out for older snapshots, too: files and partitions as they are now.
  ids := viewed::oid || array(select split_part(w.key, '/', 2)::oid from jsonb_object_keys(mark -> 'world') w(key) where w.key ~ '^pg_class/');
  if exists (select from pg_class c where c.oid = any (ids) and (
                 c.relkind = 'r' and c.relfilenode <> 0 and c.relfilenode is distinct from pg_relation_filenode(c.oid)
                 or c.relkind = 'p' and array(select t.relid::oid from pg_partition_tree(c.oid) t order by 1) <> array(
                      with recursive parts(id) as (select c.oid union select i.inhrelid from parts p join pg_inherits i on i.inhparent = p.id)
                      select p.id from parts p order by 1)
                 -- Nothing tells what inherits now.
                 or c.relkind = 'r' and current_setting('transaction_isolation') <> 'read committed' and exists (select from pg_inherits i where i.inhparent = c.oid))) then
    return false;
  end if;
  is_now := viewkeeper.world(queried, logs::oid[], true) || jsonb_build_object('query', md5(pg_get_viewdef(queried)));
  -- A standby was started at another time, and counts what it does itself.
  if standby then
    is_now := is_now - array['started', concat('pg_class/', 'pg_subscription_rel'::regclass::oid)];
    mark := jsonb_set(mark, '{world}', (mark -> 'world') - array['started', concat('pg_class/', 'pg_subscription_rel'::regclass::oid)]);
  end if;
  return is_now = mark -> 'world' and split_part(mark ->> 'proof', ' ', 2) = viewkeeper.log_proof(viewed, queried, logs::oid[]) is true;
end $$;

-- The error of a live view that shows nothing where nobody knows that it is exact.
create function viewkeeper.not_exact(viewed regclass) returns boolean
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  raise sqlstate 'VK002' using message = format('Nobody knows which rows of %s are as its query makes them now', viewed),
    hint = format('Refresh it: viewkeeper refresh %s', viewed);
end $$;
