import { major } from '../../support/servers/test-server.ts'

const zoned = 'timestamp with time zone'
const bare = 'timestamp without time zone'

/** What `notKnown` knows of the server. An addition to it says here what it is, and is checked on every major version. */
export const builtIns = {
  /**
   * Stable, because they depend on settings that are in the fingerprint, or on how the types of their arguments are written and
   * compared, which is known of each type by itself. None reads a catalog for its own sake, the clock or the session.
   */
  stable: [
    `"extract"(text,${zoned})`,
    '"numeric"(money)',
    `"overlaps"(${zoned},interval,${zoned},interval)`,
    `"overlaps"(${zoned},interval,${zoned},${zoned})`,
    `"overlaps"(${zoned},${zoned},${zoned},interval)`,
    `"time"(${zoned})`,
    `"timestamp"(${zoned})`,
    'anytextcat(anynonarray,text)',
    'array_to_json(anyarray)',
    'array_to_json(anyarray,boolean)',
    'array_to_string(anyarray,text)',
    'array_to_string(anyarray,text,text)',
    'concat("any")',
    'concat_ws(text,"any")',
    `date(${zoned})`,
    `date_add(${zoned},interval)`,
    `date_part(text,${zoned})`,
    `date_subtract(${zoned},interval)`,
    `date_trunc(text,${zoned})`,
    // Immutable since 16, as timezone() is, which looks its zone up in the same way.
    ...(major < 16 ? [`date_trunc(text,${zoned},text)`] : []),
    'enum_first(anyenum)',
    'enum_last(anyenum)',
    'enum_range(anyenum)',
    'enum_range(anyenum,anyenum)',
    'format(text)',
    'format(text,"any")',
    `generate_series(${zoned},${zoned},interval)`,
    `in_range(${zoned},${zoned},interval,boolean,boolean)`,
    `interval_pl_timestamptz(interval,${zoned})`,
    'json_agg(anyelement)',
    'json_agg_strict(anyelement)',
    'json_build_array("any")',
    'json_build_array()',
    'json_build_object("any")',
    'json_build_object()',
    'json_object_agg("any","any")',
    'json_object_agg_strict("any","any")',
    'json_object_agg_unique("any","any")',
    'json_object_agg_unique_strict("any","any")',
    'jsonb_agg(anyelement)',
    'jsonb_agg_strict(anyelement)',
    'jsonb_build_array("any")',
    'jsonb_build_array()',
    'jsonb_build_object("any")',
    'jsonb_build_object()',
    'make_timestamptz(integer,integer,integer,integer,integer,double precision)',
    'make_timestamptz(integer,integer,integer,integer,integer,double precision,text)',
    'money(bigint)',
    'money(integer)',
    'money(numeric)',
    'quote_literal(anyelement)',
    'quote_nullable(anyelement)',
    'row_to_json(record)',
    'row_to_json(record,boolean)',
    'textanycat(text,anynonarray)',
    'timestamptz(date)',
    'timestamptz(date,time without time zone)',
    `timestamptz(${bare})`,
    `timestamptz_mi_interval(${zoned},interval)`,
    `timestamptz_pl_interval(${zoned},interval)`,
    `timetz(${zoned})`,
    `timezone(${zoned})`,
    `timezone(${bare})`,
    'to_char(bigint,text)',
    'to_char(double precision,text)',
    'to_char(integer,text)',
    'to_char(interval,text)',
    'to_char(numeric,text)',
    'to_char(real,text)',
    `to_char(${zoned},text)`,
    `to_char(${bare},text)`,
    'to_date(text,text)',
    'to_json(anyelement)',
    'to_jsonb(anyelement)',
    'to_number(text,text)',
    'to_timestamp(text,text)',
    ...['cmp', 'eq', 'ge', 'gt', 'le', 'lt', 'ne'].flatMap((sign) => [
      `date_${sign}_timestamptz(date,${zoned})`,
      `timestamptz_${sign}_date(${zoned},date)`,
      `timestamp_${sign}_timestamptz(${bare},${zoned})`,
      `timestamptz_${sign}_timestamp(${zoned},${bare})`,
    ]),
  ],
  /** Immutable for the server, although they read a catalog or where the log stands. */
  immutableButRefused: [
    'pg_indexam_progress_phasename(oid,bigint)',
    'pg_walfile_name(pg_lsn)',
    'pg_walfile_name_offset(pg_lsn)',
    'satisfies_hash_partition(oid,integer,integer,"any")',
    'ts_parse(oid,text)',
    'ts_token_type(oid)',
  ],
  types:
    'bit bool bpchar bytea char cidr circle cstring date datemultirange daterange float4 float8 inet int2 int4 int4multirange int4range int8 int8multirange int8range internal interval json jsonb jsonpath macaddr macaddr8 money numeric nummultirange numrange oid path pg_lsn polygon record text time timestamp timestamptz timetz tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector unknown uuid varbit varchar void xid8'.split(
      ' ',
    ),
}

/** The fields of stored queries: those whose values are looked at, collations, and those that name no object. */
export const fieldsOfTrees = new Set(
  `
  aggargtypes aggfnoid aggtranstype aggtype array_typeid booltesttype casetype cmptype coalescetype
  colTypes coltypes commandType consttype ctecoltypes cycle_mark_neop cycle_mark_type element_typeid
  endInRangeFunc eqop funccoltypes funcid funcresulttype hashfuncid jointype minmaxtype negfuncid
  nulltesttype opfuncid opno opnos opresulttype paramtype rctype refcontainertype refelemtype
  refrestype relid resulttype row_typeid sortop startInRangeFunc subLinkType type typeId
  varreturningtype vartype winfnoid wintype

  collOid aggcollid array_collid casecollid coalescecollid colCollations colcollations collation constcollid
  ctecolcollations cycle_mark_collation funccolcollations funccollid inRangeColl inputcollid
  inputcollids minmaxcollid opcollid paramcollid refcollid resultcollid varcollid wincollid

  aggdirectargs aggdistinct aggfilter aggkind agglevelsup aggno aggorder aggpresorted aggsplit aggstar
  aggtransno aggvariadic alias aliascolnames aliasname all arg arg_names argisrow argnumber args
  boolop canSetTag checkAsUser coerceformat coercionformat colTypmods colnames cols coltypmods
  constbyval constisnull constlen constraintDeps consttypmod constvalue content copiedOrder cteList
  ctecolnames ctecoltypmods ctelevelsup ctematerialized ctename ctequery cterecursive cterefcount
  cycle_clause cycle_col_list cycle_mark_column cycle_mark_default cycle_mark_typmod cycle_mark_value
  cycle_path_column defresult distinctClause elements elemexpr endOffset eref expr extraUpdatedCols
  fieldnum frameOptions fromlist funccolcount funccolnames funccoltypmods funcexpr funcformat
  funcordinality funcparams funcretset functions funcvariadic groupClause groupClauses groupDistinct
  groupexprs groupingSets hasAggs hasDistinctOn hasForUpdate hasGroupRTE hasModifyingCTE hasRecursive
  hasRowSecurity hasSubLinks hasTargetSRFs hasWindowFuncs hashable havingQual ignore_nulls inFromCl
  inRangeAsc inRangeNullsFirst indent inh insertedCols isNatural isReturn join_using_alias
  joinaliasvars joinleftcols joinmergedcols joinrightcols jointree kind larg largs lateral limitCount
  limitOffset limitOption list_end list_start location mergeActionList mergeJoinCondition
  mergeTargetRelation mergeUseOuterJoin multidims name named_args nulls_first onConflict op operName
  opfamilies opretset orderClause override paramid paramkind paramtypmod partitionClause perminfoindex
  pushedDown quals querySource rarg rargs refassgnexpr refexpr reflowerindexpr refname refs reftypmod
  refupperindexpr relabelformat relkind rellockmode repeatable requiredPerms resjunk resname resno
  resorigcol resorigtbl ressortgroupref result resultRelation resulttypmod returningList
  returningNewAlias returningOldAlias reverse_sort rowMarks row_format rtable rtekind rteperminfos rti
  rtindex runCondition search_breadth_first search_clause search_col_list search_seq_column
  securityQuals security_barrier selectedCols self_reference setOperations sortClause startOffset
  stmt_len stmt_location strength subLinkId subquery subselect tablesample targetList testexpr
  tleSortGroupRef tsmhandler typeMod typmod updatedCols useOr usingClause utilityStmt values_lists
  varattno varattnosyn varlevelsup varno varnosyn varnullingrels vartypmod waitPolicy winagg
  windowClause winref winstar withCheckOptions xmloption
`
    .trim()
    .split(/\s+/),
)

/** Stored queries with every kind of node that a view may have. */
export const treesOfManyKinds = `
  create schema trees;
  set search_path = trees, public;
  create table t(i int primary key, n numeric, s text, at timestamptz, d date, j jsonb, a int[], tm time, b bool);
  create type pr as (x int, y text);
  create type en as enum('a','b');
  create domain dom as int;
  create table tt(e en, p pr, dm dom);
  create view v1 as select i, sum(n) over w s, rank() over (partition by s order by at range between interval '1 day' preceding and current row), row_number() over w from t window w as (partition by d order by i rows between 1 preceding and current row);
  create view v2 as with recursive c(x) as (select 1 union all select x+1 from c where x < 5) search depth first by x set ord cycle x set cyc using path select x, cyc from c;
  create view v3 as select s, d, count(*), grouping(s), array_agg(distinct n order by n), string_agg(s, ',' order by d desc) filter (where i > 3), percentile_disc(0.5) within group (order by n) from t group by grouping sets ((s), (d), ()) having count(*) > 1 order by 1 limit 10 offset 1;
  create view v4 as select distinct on (s) s, case when i > 1 then 'x' else 'y' end c, case i when 1 then 2 end k, coalesce(s, 'z') f, nullif(i, 3) g, greatest(i, 4), i is distinct from 5 h, (i, s) < (3, 'x') l, row(i, s)::pr r, (row(i,s)::pr).x, a[1], a[1:2] m, j['x'], array[i, 2] o, i::text p, n::int q, s::en u from t where b is true and s is not null and not b and i = any(a) and i in (1, 2) and i in (select i from tt) and exists (select 1 from tt) and i > all (select 1) ;
  create view v5 as select t1.i, q from t t1 join t t2 using (i) left join tt on true cross join lateral (select t1.i k) x full join (values (1), (2)) v(q) on v.q = t1.i;
  create view v6 as select i from t union select i from t intersect all select 3 except select 5;
  create view v7 as select t, t::text x, array_remove(t.a, 3), t.a::text[] y, t.a || 3 z, s collate "C" w, f.*, g from t, generate_series(1, i) g, unnest(t.a, t.a) with ordinality f(f1, f2, f3), json_to_recordset('[]') as z(a int, b text), rows from (generate_series(1,2), generate_series(1,3)) as r;
  create view v8 as select xmlelement(name x, s) from t;
  create view v9 as select p, e, dm, dm::int + 1 a, 5::dom b, e = 'a' c, make_interval(days => i), s like 'x%' d, substring(s from 1 for 2), extract(day from at), at at time zone 'utc' f, (p).x from tt, t;
  create view v10 as select * from t tablesample bernoulli (5) for update;
  create view v11 as select current_date, current_user, localtimestamp;
  create view v12 as select array(select i from t) a, (select max(i) from t) b, (select s from t limit 1) c, t1 from t t1 order by i fetch first 3 rows with ties;
  create view v13 as select count(*) from only t where tableoid = 5;
  create view v14 as select (row(i,s)).f1 a, row(i,s)=row(1,'x') b, null::int[] c, lag(i, 1) over (order by i) x from t;
  reset search_path`
