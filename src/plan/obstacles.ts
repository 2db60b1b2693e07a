import { literal, quoteName, type ViewName } from './names.ts'
import type { Step } from './plan.ts'

/**
 * Notes, before a view is filled, what its owner may not read and which views it reads are empty, by the SQLSTATE that comes of
 * it. The server's own message would say it too; but where rows are computed a message may quote them, and is not kept.
 */
export const noteObstacles = (view: ViewName): Step => ({
  phase: 'building',
  sql: `select jsonb_strip_nulls(jsonb_build_object(
  '42501', 'Missing: ' || string_agg(distinct format('grant select on %s to %s;', c.oid::regclass, v.relowner::regrole), ' ')
    filter (where not has_any_column_privilege(v.relowner, c.oid, 'select')),
  '55000', string_agg(distinct format('%s is not populated: refresh it first.', c.oid::regclass), ' ')
    filter (where c.relkind = 'm' and not c.relispopulated)))
  from pg_class v join pg_rewrite w on w.ev_class = v.oid
  join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
  join pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.oid <> v.oid
 where v.oid = ${literal(quoteName(view))}::regclass`,
  notes: 'obstacles',
  hidden: true,
})
