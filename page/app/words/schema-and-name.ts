import { printed } from '../../../src/sql/names.ts'

/** The schema of a view with its dot, and its name, as a person reads them. */
export function schemaAndName(view: string): [schema: string, name: string] {
  const [, schema = '', name = printed(view)] =
    /^((?:[^."]+|(?:U&)?"(?:[^"]|"")*")\.)(.+)$/.exec(printed(view)) ?? []
  return [schema, name]
}
