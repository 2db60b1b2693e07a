-- A view that is filled by slices keeps rows that an earlier refresh has computed. They are right only if nothing has changed but what
-- the log of changes beside the view tells.

-- Everything but rows of tables that the rows of a plain view depend on, as a mark: two equal marks prove that in between the query, what
-- it reads, and the settings of the server were the same, and that no materialized view that it reads was filled. The triggers of the tables
-- are in it, so they have not been switched off in between.
create function viewkeeper.shape(query oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  with read(id) as materialized (select viewkeeper.relations_of(query, '{}', null))
  select md5(concat_ws(' ',
    -- A database made from a template has the template's OIDs; a restored one has its log, and views that were filled elsewhere.
    (select d.oid from pg_database d where d.datname = current_database()), (select system_identifier from pg_control_system()),
    -- Files of time zones and libraries of collations are read when the server starts, or when its configuration is read again.
    version(), pg_postmaster_start_time(), pg_conf_load_time(),
    (select string_agg(current_setting(s.name), ',') from unnest(array['TimeZone', 'timezone_abbreviations', 'DateStyle', 'IntervalStyle',
       'extra_float_digits', 'bytea_output', 'lc_monetary', 'lc_numeric', 'lc_time', 'quote_all_identifiers', 'gin_fuzzy_search_limit']) s(name)),
    pg_get_viewdef(query),
    (select string_agg(format('%s %s', w.oid, w.xmin), ',' order by w.oid) from pg_rewrite w join read r on r.id = w.ev_class where w.rulename = '_RETURN'),
    -- Of a view that it reads, every refresh writes the row; of a table, only what rewrites the table writes another file.
    (select string_agg(format('%s %s %s %s', c.oid, c.relfilenode, c.relrowsecurity, case c.relkind when 'm' then c.xmin::text end), ',' order by c.oid)
       from pg_class c join read r on r.id = c.oid),
    (select string_agg(format('%s %s %s', a.attrelid, a.attnum, a.xmin), ',' order by a.attrelid, a.attnum) from pg_attribute a
      where a.attnum > 0 and (a.attrelid in (select id from read) or a.attrelid in (select c.oid from pg_class c where c.relkind = 'c'))),
    (select string_agg(format('%s %s', d.oid, d.xmin), ',' order by d.oid) from pg_attrdef d join read r on r.id = d.adrelid),
    (select string_agg(format('%s %s %s', i.inhparent, i.inhrelid, i.xmin), ',' order by i.inhparent, i.inhrelid) from pg_inherits i join read r on r.id = i.inhparent),
    (select string_agg(format('%s %s %s', e.oid, e.enumsortorder, e.enumlabel), ',' order by e.oid) from pg_enum e),
    (select string_agg(format('%s %s %s %s', t.oid, t.xmin, p.oid, p.xmin), ',' order by t.oid)
       from pg_trigger t join read r on r.id = t.tgrelid join pg_proc p on p.oid = t.tgfoid where not t.tgisinternal)));
$$;
comment on function viewkeeper.shape is 'Everything but rows of tables that the rows of a plain view depend on, as a mark.';
