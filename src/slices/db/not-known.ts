/** Each an SQL expression that may use what stands around it: the kinds of nodes as text[], and what they name as oid[]. */
interface NodeKinds {
  tags: string
  /** Those that values of the query have. */
  types: string
  /** Those that it calls. */
  functions: string
  operators: string
}

/**
 * SQL for what in the query of a view, or in the types of what it reads, is not known to depend on nothing but relations and the settings in
 * the fingerprint; null: everything is known. Whatever is in none of these lists is not known. OIDs below 10000 are the same on every
 * server. Nobody knows what the code of users reads. Its names mean the server's own on our path.
 */
export const notKnown = ({ tags, types, functions, operators }: NodeKinds): string => `(
  select coalesce(
    -- Not among these: SQLVALUEFUNCTION (current_date, current_user), NEXTVALUEEXPR, TABLESAMPLECLAUSE, TABLEFUNC, XMLEXPR, JSONEXPR.
    (select format('its query has a %s, which is not known to depend only on what it reads', tag) from unnest(given.tags) tag
      where tag <> all (string_to_array('AGGREF ALIAS ARRAYCOERCEEXPR ARRAYEXPR BOOLEANTEST BOOLEXPR CASEEXPR CASETESTEXPR CASEWHEN COALESCEEXPR '
        'COERCETODOMAIN COERCEVIAIO COLLATEEXPR COMMONTABLEEXPR CONST CONVERTROWTYPEEXPR CTECYCLECLAUSE CTESEARCHCLAUSE DISTINCTEXPR FIELDSELECT '
        'FROMEXPR FUNCEXPR GROUPINGFUNC GROUPINGSET JOINEXPR MINMAXEXPR NAMEDARGEXPR NULLIFEXPR NULLTEST OPEXPR PARAM QUERY RANGETBLENTRY '
        'RANGETBLFUNCTION RANGETBLREF RELABELTYPE ROWCOMPAREEXPR ROWEXPR RTEPERMISSIONINFO SCALARARRAYOPEXPR SETOPERATIONSTMT SORTGROUPCLAUSE '
        'SUBLINK SUBSCRIPTINGREF TARGETENTRY VAR WINDOWCLAUSE WINDOWFUNC', ' ')) limit 1),
    (select format('it uses %s, which is not known to depend only on what it reads', format_type(u.id, null))
       from unnest(given.types) u(id) left join pg_type t on t.oid = u.id
      where case
              -- Not among these, and no array of theirs: names (regclass), privileges, the place and the writer of a row, xml.
              when u.id < 16384 then coalesce(nullif(t.typelem, 0), t.oid, 0) <> all ('{16,17,18,19,20,21,22,23,25,26,30,114,600,601,602,603,604,628,650,'
                   '700,701,705,718,774,790,829,869,1042,1043,1082,1083,1114,1184,1186,1266,1560,1562,1700,2249,2275,2278,2281,2950,3220,3614,3615,'
                   '3802,4072,5069,3904,3906,3908,3910,3912,3926,4451,4532,4533,4534,4535,4536}')
              -- A type of a user is what it consists of. Documents are made by a cast to json, if somebody has made one.
              else t.oid is null or exists (select from pg_cast k where k.castsource = t.oid and k.casttarget in (114, 3802)) or case t.typtype
                   when 'b' then t.typsubscript <> 'array_subscript_handler'::regproc or t.typelem = 0
                   when 'd' then exists (select from pg_constraint k where k.contypid = t.oid and k.contype = 'c')
                   when 'r' then exists (select from pg_range r where r.rngtypid = t.oid and (r.rngcanonical <> 0 or r.rngsubopc >= 16384))
                   else t.typtype not in ('c', 'e', 'm') end end
         -- By this its values are compared where the query names no operator: in rows, in arrays, by greatest().
         or exists (select from pg_opclass o where o.opcintype = u.id and o.oid >= 16384 and o.opcdefault and o.opcmethod in (403, 405))
      limit 1),
    (select format('it uses the operator %s, and nobody knows what that reads', o.oid::regoperator)
       from pg_operator o where o.oid = any (given.operators) and o.oid >= 16384 limit 1),
    (select case when p.oid >= 16384 then format('it calls %s, and nobody knows what that reads', p.oid::regprocedure)
                 else format('it calls %s, whose result may change although no table does', p.oid::regprocedure) end
       from pg_proc p
      where p.oid = any (given.functions || array(select o.oprcode from pg_operator o where o.oid = any (given.operators))) and case
              when p.oid >= 10000 then true
              -- These read a text search parser, a partitioned table, the timeline, an access method.
              when p.provolatile = 'i' then p.oid = any ('{3713,3715,5028,2850,2851,676}')
              -- These are stable only because of the settings in the fingerprint, or of the types of their arguments:
              else p.oid <> all (
                   -- date_part, date_trunc, extract, generate_series, in_range, date_add, date_subtract, make_timestamptz, at local
                   '{1171,1217,1284,6203,939,4135,6221,6223,3462,3463,6334,6335,'
                   -- timestamptz as date, time, timetz, timestamp and back; with an interval: +, -, overlaps
                   '1178,2019,1388,2027,1174,1176,2028,1189,1190,2549,1305,1306,1307,'
                   -- timestamptz compared with date and timestamp
                   '2351,2352,2353,2354,2355,2356,2357,2377,2378,2379,2380,2381,2382,2383,2520,2521,2522,2523,2524,2525,2526,2527,2528,2529,2530,2531,2532,2533,'
                   -- to_char, to_date, to_number, to_timestamp; money and numbers
                   '1768,1770,1772,1773,1774,1775,1776,2049,1780,1777,1778,3811,3812,3824,3823,'
                   -- concat, concat_ws, format, array_to_string, quote_literal, quote_nullable, ||; enum_first, enum_last, enum_range
                   '3058,3059,3539,3540,384,395,1285,1290,2003,2004,3528,3529,3530,3531,'
                   -- to_json, to_jsonb, row_to_json, array_to_json, json_build_* and jsonb_build_*, json_agg, jsonb_agg, json_object_agg
                   '3176,3787,3155,3156,3153,3154,3198,3199,3200,3201,3271,3272,3273,3274,3175,3267,3197,6276,6284,6280,6281,6282}') end
      limit 1))
    from (select ${tags} as tags, ${types} as types, ${functions} as functions, ${operators} as operators) given)`
