/**
 * For the envelope: the runs that this server process works on: run `run` and, if it refreshes a group, the runs of the
 * other members. They begin and end together.
 */
export const isOurs =
  '(r.id = run or r.group_run_id = run) and r.backend_pid = pg_backend_pid() and r.backend_start = me_since'

/**
 * For the envelope: the duration of a run; of another member of a group, the time of its own statements. A built twin has
 * its duration already.
 */
export const durationOf = `case when r.built_at is not null then r.duration_ms::float8 when r.id = run then extract(epoch from finished - started) * 1000
                                 else (select (spent ->> (m ->> 'view'))::float8 from jsonb_array_elements(work -> 'members') m
                                            where m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name) end`
