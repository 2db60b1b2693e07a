import { keptMark } from '../../../src/sql/names.ts'

/** SQL that makes an incremental table without rows, with a name as SQL writes it, by its query. */
export const makeKept = (name: string, query: string): string => {
  const of = name.endsWith('"') ? `${name.slice(0, -1)}_query"` : `${name}_query`
  return `create view ${of} as ${query}; comment on view ${of} is '${keptMark}'; create table ${name} as select * from ${of} with no data; alter table ${name} replica identity full`
}

/** SQL that drops it. */
export const dropKept = (name: string): string =>
  `drop table if exists ${name}; drop view if exists ${name}_query cascade`
