import { displayName } from '../../sql/names.ts'

interface Index {
  name: string
  unique?: boolean | undefined
  /** What follows the view's name in `create index`. */
  on: string
}

/** The unique ones among `indexes` in words, as `Statement.unique` needs them. `meanwhile` is the name that an index has. */
export const uniqueIndexes = (indexes: Index[], meanwhile: (at: number) => string): Record<string, string> =>
  Object.fromEntries(
    indexes.flatMap(({ name, unique, on }, at) =>
      unique ? [[meanwhile(at), `${displayName({ schema: null, name })} ${columnsOf(on)}`]] : [],
    ),
  )

/** Without the access method, because only btree indexes are unique, and without the columns that no row must differ in. */
const columnsOf = (on: string): string =>
  on
    .trim()
    .replace(/^using\s+\w+\s*/i, '')
    .replace(/\s+include\s*\([^)]*\)/i, '')
